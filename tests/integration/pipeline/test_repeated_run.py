"""A run is repeated from its manifest, with its commands, and ends in the same Redis."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rushhour.core import keys
from rushhour.core.clock import Command
from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.simulator.commands.repeat import schedule_of
from rushhour.simulator.documents.manifest import Manifest, read_manifest
from rushhour.simulator.documents.manifest_differences import differences
from rushhour.simulator.stack.process_specs import process_specs, start_process
from rushhour.simulator.stack.stack import Repeated, Stack
from rushhour.storage.clock import is_settled, last_hour_closed, load_status
from rushhour.storage.commands import send
from rushhour.storage.runs import load_run
from rushhour.storage.timeline import load_timeline
from tests.fixtures.pipeline import PipelineRunner
from tests.fixtures.waiting import wait_until

SPAN = ("2024-10-01 06:00", "2024-10-01 23:00")
START = 1_727_762_400_000  # 2024-10-01 06:00
HOURS = 18
hours = st.integers(0, HOURS + 1).map(lambda hour: clock_label(START + hour * HOUR_MS))
commands = st.one_of(
    st.tuples(st.just("speed"), st.sampled_from(["30m/s", "2h/s", "max", "never"])),
    st.tuples(st.sampled_from(["pause", "resume", "start"]), st.just("")),
    st.tuples(st.just("step"), st.sampled_from(["1h", "3h", "1d"])),
    st.tuples(st.sampled_from(["until", "seek", "seek"]), hours),
)
FORWARD = ("seek", "2024-10-01 15:00")
BACK = ("seek", "2024-10-01 08:00")


@dataclass(frozen=True)
class Told:
    """What a run left in Redis, and its manifest as a file holds it."""

    keys: dict[str, object]
    manifest: Manifest


def told(pipeline: PipelineRunner, stack: Stack) -> Told:
    text = msgspec.json.encode(read_manifest(stack.client))
    manifest = msgspec.json.decode(text, type=Manifest)
    return Told(pipeline.result(stack).keys, manifest)


def go_on(stack: Stack) -> None:
    """Start the run over if a command leads back."""
    status = stack.ended_on_command()
    if status is not None and status.start_over_ts is not None:
        stack.start_over(load_run(stack.client), status)


def command(stack: Stack, name: str, value: str) -> None:
    """Send a command and wait until what it leads to is closed; it may be refused."""
    status = load_status(stack.client)
    assert status is not None
    if status.has_ended:
        return
    with suppress(UsageError):
        _, result = send(stack.client, Command.from_fields({"command": name, "value": value}))
        if result.target_ts is not None and result.target_ts < result.now_ts:
            wait_until(stack.ended_on_command, "the producer has ended")
            go_on(stack)
        elif name == "step":
            assert result.target_ts is not None
            last = result.target_ts - HOUR_MS
            wait_until(lambda: last_hour_closed(stack.client) == last, "the step is closed")


def end(stack: Stack) -> None:
    """Wait until a run has ended, at its last hour or on a command."""

    def has_ended() -> bool:
        go_on(stack)
        status = stack.ended_on_command()
        if status is None or status.state != "stopped":
            return stack.is_done()
        return is_settled(stack.client, load_run(stack.client), status.now_ts)

    wait_until(has_ended, "the run has ended")
    stack.stop_pipeline()


def repeat(pipeline: PipelineRunner, file: Path, manifest: Manifest) -> Told:
    repeated = Repeated(manifest.run_info.run_id, schedule_of(manifest))
    with pipeline.started(file, SPAN, repeated=repeated) as (stack, _):
        end(stack)
        return told(pipeline, stack)


def assert_same(found: Told, expected: Told) -> None:
    assert found.keys.keys() == expected.keys.keys()
    for key, value in expected.keys.items():
        assert found.keys[key] == value, key
    assert found.manifest.repeats == expected.manifest.run_info.run_id
    assert found.manifest.commands == expected.manifest.commands
    differ = {each.name for each in differences(found.manifest, expected.manifest)}
    assert differ <= {"speed", "paused", "start_at"}


@pytest.mark.also_on_kafka
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@example(sent=[("step", "3h"), FORWARD, BACK, ("speed", "never")], paused=True, stops=True)
@example(sent=[("pause", "")], paused=True, stops=True)  # before any hour is closed
@given(sent=st.lists(commands, min_size=1, max_size=5), paused=st.booleans(), stops=st.booleans())
def test_a_run_with_any_commands_is_repeated(
    pipeline: PipelineRunner,
    trip_file: Path,
    sent: list[tuple[str, str]],
    *,
    paused: bool,
    stops: bool,
) -> None:
    with pipeline.started(trip_file, SPAN, speed="6h/s", paused=paused) as (stack, _):
        wait_until(lambda: load_status(stack.client), "the clock runs")
        for name, value in sent:
            command(stack, name, value)
        rest = [("stop", "")] if stops else [("resume", ""), ("speed", "max")]
        for name, value in rest:
            command(stack, name, value)
        end(stack)
        original = told(pipeline, stack)
    timeline = [(each.command, each.value) for each in original.manifest.commands if not each.error]
    assert [each for each in timeline if each not in (*sent, *rest)] == []
    repetition = repeat(pipeline, trip_file, original.manifest)
    assert_same(repetition, original)
    assert_same(repeat(pipeline, trip_file, repetition.manifest), repetition)


def test_a_run_that_is_stopped_in_the_middle_of_an_hour_is_repeated_to_there(
    pipeline: PipelineRunner, trip_file: Path
) -> None:
    with pipeline.started(trip_file, SPAN, speed="30m/s") as (stack, _):

        def in_an_hour() -> bool:
            status = load_status(stack.client)
            return status is not None and status.now_ts > START + HOUR_MS + HOUR_MS // 4

        wait_until(in_an_hour, "the clock is in the second hour")
        command(stack, "stop", "")
        end(stack)
        original = told(pipeline, stack)
    assert original.manifest.end.simulated_ts % HOUR_MS
    assert original.manifest.end.hours_closed == 1
    repetition = repeat(pipeline, trip_file, original.manifest)
    assert_same(repetition, original)
    assert repetition.manifest.end == original.manifest.end


def start_producer_again(stack: Stack) -> None:
    (spec, *_) = process_specs(stack.run_settings, load_run(stack.client))
    stack.processes[spec.name] = start_process(spec, stack.directory)


def wait_until_it_reports(stack: Stack) -> None:
    before = load_status(stack.client)
    wait_until(lambda: load_status(stack.client) != before, "the producer goes on")


@pytest.mark.parametrize("count", [1, 2])
def test_the_timeline_survives_a_kill_of_the_producer_where_it_is_written(
    pipeline: PipelineRunner, trip_file: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Killed before a command is told, or in mid-run after it was: it is told once."""
    with pipeline.started(trip_file, SPAN, speed="1h/s", paused=True) as (stack, _):
        wait_until(lambda: load_status(stack.client), "the clock runs")
        producer = stack.processes["producer"]
        with suppress(UsageError):
            send(stack.client, Command("until", "2024-10-01 05:00"))  # in the past: refused
        if count == 1:
            producer.stop()
            monkeypatch.setenv("RUSHHOUR_FAILPOINTS", "producer.status=1:kill")
            start_producer_again(stack)
            monkeypatch.delenv("RUSHHOUR_FAILPOINTS")
            stack.client.xadd(keys.COMMANDS, {"command": "speed", "value": "max"})
        else:
            send(stack.client, Command("speed", "max"))
            os.kill(producer.pid, signal.SIGKILL)
        killed = -signal.SIGKILL
        producer = stack.processes["producer"]
        wait_until(lambda: producer.poll() == killed, "the producer has been killed")
        before = load_timeline(stack.client)
        start_producer_again(stack)
        wait_until_it_reports(stack)
        send(stack.client, Command("resume"))
        end(stack)
        timeline = load_timeline(stack.client)
        assert timeline[: len(before)] == before
        assert [(each.number, each.command, bool(each.error)) for each in timeline] == [
            (1, "until", True),
            (2, "speed", False),
            (3, "resume", False),
        ]
        original = told(pipeline, stack)
    assert_same(repeat(pipeline, trip_file, original.manifest), original)
