"""What the replay needs of Redis and of Kafka."""

from collections.abc import Sequence
from typing import Literal, Protocol

from producers.pacing.gate import Gate
from rushhour.core.clock import ClockStatus, Command
from rushhour.core.errors import UsageError
from rushhour.core.timeline import TimelineEntry

# What the replay waits for: its next slice to be due, hours that it is ahead of to be closed, or
# the last hour to be acknowledged.
WaitingFor = Literal["clock", "closed_hours", "gate"]


# Commands with the ids of their entries, or why an entry is none.
Commands = Sequence[tuple[str, Command | UsageError]]


class Control(Protocol):
    """The Redis side of the replay."""

    @property
    def gate(self) -> Gate:
        """What is closed, and what holds the clock at the end of an hour, as of the last wait."""

    def wait(self, seconds: float, reason: WaitingFor) -> Commands:
        """Wait up to `seconds` for news; note closed hours, and return new commands."""

    def publish(self, status: ClockStatus, applied: Sequence[TimelineEntry] = ()) -> None:
        """Publish the status of the clock, with the commands that were processed since."""


class Stream(Protocol):
    """The Kafka side of the replay."""

    def send_trips(self, start_ts: int, end_ts: int) -> None:
        """Send the trips of [`start_ts`, `end_ts`), epoch ms."""

    def send_tick(self, hour_ts: int, *, final: bool = False) -> None:
        """Send a tick to every partition; `final` at the end of the run."""

    def send_hour_start(self, hour_ts: int) -> None:
        """Say that an hour begins (epoch ms): its trips follow."""

    def flush(self) -> None:
        """Wait until every message is on the broker."""

    def trips_before(self, ts: int) -> int:
        """Return the number of trips of the run before an instant (epoch ms)."""
