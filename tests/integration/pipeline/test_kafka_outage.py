"""Kafka is away in mid-run, for longer than every timeout: the run goes on and ends the same."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rushhour.runtime.failpoints import VARIABLE
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.simulator.stack.stack import Stack
from tests.fixtures.kafka_server import KafkaServer
from tests.fixtures.pipeline import TWO_DAYS, PipelineRunner, RunResult, hours_closed
from tests.fixtures.settings import SettingsFactory
from tests.fixtures.waiting import wait_until

PROCESSES = ("producer", "dataflow", "consumer")
SPEED = "12h/s"
PATIENCE_S = 180.0  # a busy machine may be slow
AWAY_S = 10.0  # several times the timeout that follows, and the time until an outage is reported
LOST, BACK = "does not answer, waiting for it", "is back after"


@pytest.fixture(autouse=True)
def _short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes of the run wait a second for an answer of Kafka, not ten."""
    monkeypatch.setenv(VARIABLE, "kafka.socket.seconds=1")


@pytest.fixture(scope="module")
def undisturbed(pipeline: PipelineRunner, trip_file: Path) -> RunResult:
    return pipeline(trip_file, TWO_DAYS)


def outage(
    lose: Callable[[Stack], None], find: Callable[[Stack], None], *, starts_anew: bool = False
) -> Callable[[Stack], None]:
    """Return what takes Kafka away in mid-run and brings it back, and checks what is said.

    A broker that starts anew may answer and then be away once more before it stays.
    """

    def logs(stack: Stack) -> list[str]:
        return [stack.processes[name].log.read_text("utf-8") for name in PROCESSES]

    def all_say_so(stack: Stack, *, is_back: bool) -> bool:
        """Whether each process says so, once for each time that Kafka is away."""
        stack.is_done()  # raises if a process has ended
        found = [(log.count(LOST), log.count(BACK)) for log in logs(stack)]
        times = [lost if starts_anew else 1 for lost, _ in found]
        return all(
            0 < time == lost and back == (time if is_back else time - 1)
            for time, (lost, back) in zip(times, found, strict=True)
        )

    def disturb(stack: Stack) -> None:
        wait_until(lambda: hours_closed(stack) >= 8, "the run has begun", PATIENCE_S)
        lose(stack)
        time.sleep(AWAY_S)
        wait_until(lambda: all_say_so(stack, is_back=False), "every process says so", PATIENCE_S)
        closed = hours_closed(stack)
        assert closed < 48
        find(stack)
        try:
            wait_until(lambda: all_say_so(stack, is_back=True), "every process says so", PATIENCE_S)
        except BaseException:
            print(*logs(stack), sep="\n\n")  # pytest shows it if the test fails
            raise
        assert all(log.index(LOST) < log.index(BACK) for log in logs(stack))

    return disturb


def test_a_frozen_broker_changes_nothing(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult
) -> None:
    def signal_broker(number: signal.Signals) -> Callable[[Stack], None]:
        return lambda stack: os.kill(stack.servers[0].pid, number)

    disturb = outage(signal_broker(signal.SIGSTOP), signal_broker(signal.SIGCONT))

    assert pipeline(trip_file, TWO_DAYS, disturb, speed=SPEED).keys == undisturbed.keys


@pytest.mark.kafka
@pytest.mark.parametrize("kind", ["frozen", "stopped", "killed"])
def test_a_real_kafka_that_is_away_changes_nothing(
    kind: str,
    kafka_server: KafkaServer,
    settings: SettingsFactory,
    redis_server: EmbeddedRedis,
    trip_file: Path,
    undisturbed: RunResult,
) -> None:
    lose, find = {
        "frozen": (kafka_server.freeze, kafka_server.thaw),
        "stopped": (kafka_server.stop, kafka_server.start),
        "killed": (lambda: kafka_server.stop(signal.SIGKILL), kafka_server.start),
    }[kind]
    run = PipelineRunner(settings, redis_server, lambda: kafka_server.bootstrap)
    disturb = outage(lambda _: lose(), lambda _: find(), starts_anew=kind != "frozen")

    assert run(trip_file, TWO_DAYS, disturb, speed=SPEED).keys == undisturbed.keys
