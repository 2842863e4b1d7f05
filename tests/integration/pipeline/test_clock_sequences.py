"""Any sequence of commands to the clock ends in the same Redis as none."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rushhour.core.clock import ClockStatus, Command
from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.storage.clock import last_hour_closed, load_status
from rushhour.storage.commands import send
from tests.fixtures.pipeline import PipelineRunner, RunResult
from tests.fixtures.waiting import wait_until

SPAN = ("2024-10-01 06:00", "2024-10-01 23:00")
START = 1_727_762_400_000  # 2024-10-01 06:00
HOURS = 18
END = START + HOURS * HOUR_MS
hours = st.integers(0, HOURS).map(lambda hour: clock_label(START + hour * HOUR_MS))


@pytest.fixture(scope="module")
def undisturbed(pipeline: PipelineRunner, trip_file: Path) -> RunResult:
    return pipeline(trip_file, SPAN)


@pytest.mark.also_on_kafka
def test_any_sequence_of_commands_ends_in_the_same_redis(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult
) -> None:
    class Commands(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.stops = ExitStack()
            self.done = False

        @initialize(paused=st.booleans(), speed=st.sampled_from(["1h/s", "6h/s", "max"]))
        def begin(self, *, paused: bool, speed: str) -> None:
            started = pipeline.started(trip_file, SPAN, speed=speed, paused=paused)
            self.stack, self.run = self.stops.enter_context(started)
            wait_until(lambda: load_status(self.stack.client), "the clock runs")

        def status(self) -> ClockStatus:
            found = load_status(self.stack.client)
            assert found is not None
            return found

        @precondition(lambda self: not self.done)
        @rule(speed=st.sampled_from(["30m/s", "2h/s", "max", "never"]))
        def speed(self, speed: str) -> None:
            self.send("speed", speed)

        @precondition(lambda self: not self.done)
        @rule(name=st.sampled_from(["pause", "resume", "start"]))
        def plain(self, name: str) -> None:
            self.send(name)

        @precondition(lambda self: not self.done)
        @rule(length=st.sampled_from(["1h", "3h", "1d"]))
        def step(self, length: str) -> None:
            target = self.send("step", length)
            if target is not None:
                last = target - HOUR_MS
                wait_until(lambda: last_hour_closed(self.stack.client) == last, "it is closed")
                if target < END:
                    stands = self.status()
                    assert (stands.state, stands.now_ts) == ("paused", target)

        @precondition(lambda self: not self.done)
        @rule(hour=hours)
        def until(self, hour: str) -> None:
            self.send("until", hour)

        @precondition(lambda self: not self.done)
        @rule(hour=hours)
        def seek(self, hour: str) -> None:
            self.send("seek", hour)
            if self.status().start_over_ts is not None:
                status = wait_until(self.stack.ended_on_command, "the producer has ended")
                self.run = self.stack.start_over(self.run, status)

        def send(self, name: str, value: str = "") -> int | None:
            """Return where the command leads; a refused one has changed nothing."""
            before = self.status()
            self.done = before.has_ended
            if self.done:
                return None
            try:
                command = Command.from_fields({"command": name, "value": value})
                _, result = send(self.stack.client, command)
            except UsageError:
                after = self.status()
                assert after.speed == before.speed
                if before.state == "paused":
                    assert (after.state, after.now_ts) == ("paused", before.now_ts)
                return None
            return result.target_ts

        def teardown(self) -> None:
            with self.stops:
                if not hasattr(self, "stack"):
                    return
                for command in (Command("resume"), Command("speed", "max")):
                    if not self.status().has_ended:
                        send(self.stack.client, command)
                wait_until(self.stack.is_done, "the pipeline is done")
                found = pipeline.result(self.stack)
                assert found.keys.keys() == undisturbed.keys.keys()
                for key, value in undisturbed.keys.items():
                    assert found.keys[key] == value, key

    run_state_machine_as_test(
        Commands,
        settings=settings(
            max_examples=5,
            stateful_step_count=8,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
