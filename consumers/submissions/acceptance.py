"""Which submissions are taken: one for each model, zone and hour, before the hour begins."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from consumers.submissions.records import Submission
from rushhour.core.arrays import Floats
from rushhour.core.events import HourStart
from rushhour.core.hours import HOUR_MS, WEEK_MS, clock_label
from rushhour.core.run import RunInfo
from rushhour.core.submissions import Fault
from rushhour.core.zones import FIRST_ZONE
from rushhour.storage.columns import unknown

Place = tuple[str, int]  # model, hour (epoch ms)

# In a loop, which has no end: how far ahead of simulated time predictions are taken.
LOOP_AHEAD_MS = 4 * WEEK_MS


class Acceptance:
    """Takes submissions in the order of each partition.

    Attributes
    ----------
    begun
        The last hour that has begun on each partition (epoch ms); before the first, the one before
        the run.

    Parameters
    ----------
    run
        The run.
    begun
        Initial value of the attribute, for every partition.
    columns
        What was taken already, of hours that are not scored: `float64[zones]` each, NaN where
        nothing was.
    """

    def __init__(
        self, run: RunInfo, begun: Mapping[int, int], columns: Mapping[Place, Floats]
    ) -> None:
        self.begun = dict(begun)
        self._run = run
        self._columns = dict(columns)

    @property
    def begun_everywhere(self) -> int:
        """The last hour that has begun on every partition (epoch ms): all of it was taken."""
        return min(self.begun.values())

    def start(self, partition: int, hour: HourStart) -> None:
        """Note that an hour has begun. A restarted producer may say so of an earlier one again."""
        last = self._run.end_ts - HOUR_MS
        self.begun[partition] = max(self.begun[partition], min(hour.start_ts, last))

    def take(self, partition: int, submission: Submission) -> Fault | None:
        """Take a submission, or return why it is not taken."""
        hour, run = submission.hour_ts, self._run
        if submission.model in run.models:
            return "invalid_model", f"{submission.model} is a model of the run: use another name"
        if not run.start_ts <= hour < run.end_ts:
            return "no_such_hour", f"{clock_label(hour)} is outside of the run's hours"
        begun = self.begun[partition]
        if hour <= begun:
            return "late", (
                f"{clock_label(hour)} had begun: simulated time was {clock_label(begun)} or later"
            )
        if hour >= taken_until(run, begun):
            return "no_such_hour", (
                f"{clock_label(hour)} is more than {LOOP_AHEAD_MS // WEEK_MS} weeks ahead of "
                f"simulated time, {clock_label(begun)}: in a loop that is too early"
            )
        column = self._columns.setdefault((submission.model, hour), unknown())
        place = submission.zone - FIRST_ZONE
        if not np.isnan(column[place]):
            return "twice", (
                f"zone {submission.zone} at {clock_label(hour)} has a prediction of "
                f"{submission.model} already, {column[place]}"
            )
        column[place] = submission.demand
        return None

    def column(self, model: str, hour_ts: int) -> Floats:
        """Return what was taken for an hour that is not scored yet: `float64[zones]`."""
        return self._columns.get((model, hour_ts), unknown())

    def forget(self, hours: Iterable[int]) -> None:
        """Forget hours that are scored: nothing is taken for them any more."""
        scored = set(hours)
        self._columns = {at: each for at, each in self._columns.items() if at[1] not in scored}

    def open_hours(self) -> Iterator[int]:
        """Yield the hours (epoch ms) for which something was taken, and which are not scored."""
        for _, hour in self._columns:
            yield hour


def taken_until(run: RunInfo, begun: int) -> int:
    """Return the end of the hours (epoch ms) that are taken while the hour `begun` has begun."""
    return run.end_ts if run.loop_ts is None else min(run.end_ts, begun + LOOP_AHEAD_MS + HOUR_MS)
