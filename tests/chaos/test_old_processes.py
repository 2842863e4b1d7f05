"""Processes that are frozen over a new run, and processes that end while Redis hangs."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rushhour.core.hours import HOUR_MS
from rushhour.storage.clock import last_hour_closed
from tests.chaos.comparison import Contents, differences
from tests.chaos.control import Event
from tests.chaos.faults import TERM_S
from tests.chaos.pipeline import Pipeline, Plan
from tests.chaos.proxy import Loop
from tests.chaos.servers import Broker
from tests.chaos.world import Reference
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.nightly

PROCESSES = ("producer-0", "dataflow-0", "consumer-0")
Start = Callable[..., Pipeline]


@pytest.fixture
def start(reference: Reference, tmp_path: Path) -> Iterator[Start]:
    """A function that prepares a run, and starts its processes."""
    loop, broker = Loop(), Broker(tmp_path)
    opened: list[Pipeline] = []

    def start(
        on_event: Callable[[str, Event], None] = lambda _process, _event: None,
        **options: dict[str, float],
    ) -> Pipeline:
        pipeline = Pipeline(
            loop,
            broker,
            tmp_path,
            Plan(reference.trip_file),
            (1, 1),
            on_event=on_event,
            **options,  # type: ignore[arg-type]
        )
        opened.append(pipeline)
        assert pipeline.prepare()[-1].code == 0
        pipeline.supervisor.start()
        return pipeline

    yield start
    for pipeline in opened:
        pipeline.close()
    broker.close()
    loop.close()


def hours_closed(pipeline: Pipeline) -> int:
    closed = last_hour_closed(pipeline.redis.client)
    return 0 if closed is None else (closed - pipeline.plan.start_ts) // HOUR_MS + 1


@pytest.mark.parametrize(
    ("process", "failpoint"),
    [
        ("producer-0", "producer.trips"),
        ("dataflow-0", "dataflow.hour"),
        ("consumer-0", "consumer.transaction"),
    ],
)
def test_a_process_of_an_old_run_that_wakes_up_does_not_touch_the_new_one(
    start: Start, reference: Reference, process: str, failpoint: str
) -> None:
    frozen = threading.Event()
    pids: list[int] = []

    def freeze(name: str, event: Event) -> None:
        hour = event.hour or 0
        if event.name == failpoint and hour >= middle and not frozen.is_set():
            pids.append(event.pid)
            pipeline.supervisor.signal(event.pid, signal.SIGSTOP)
            frozen.set()

    middle = Plan(reference.trip_file).start_ts + 12 * HOUR_MS
    pipeline = start(freeze)
    assert frozen.wait(60.0)
    for other in PROCESSES:
        pid = pipeline.pid_of(other)
        if other != process and pid is not None:
            pipeline.supervisor.signal(pid, signal.SIGKILL)
    assert pipeline.prepare("--new")[-1].code == 0
    pipeline.watch.forget()
    pipeline.supervisor.replace(process)

    def step() -> bool:
        assert pipeline.supervisor.step(progress=True, quiet=True) is None
        return pipeline.supervisor.is_done()

    wait_until(lambda: step() or hours_closed(pipeline) >= 5, "the new run is under way", 60.0)
    pipeline.supervisor.signal(pids[0], signal.SIGCONT)
    wait_until(step, "the new run is done", 90.0)
    assert pipeline.supervisor.stop() == []
    assert differences(reference.contents, Contents.read(pipeline.redis.client)) == []


def test_processes_end_soon_after_sigterm_while_redis_hangs(start: Start) -> None:
    pipeline = start(limits={})
    wait_until(lambda: hours_closed(pipeline) >= 5, "hours are closed", 60.0)
    pipeline.redis.freeze()
    time.sleep(1.0)  # until each process waits for Redis
    begin = time.monotonic()
    for process in PROCESSES:
        pid = pipeline.pid_of(process)
        assert pid is not None
        pipeline.supervisor.signal(pid, signal.SIGTERM)
    wait_until(lambda: not any(map(pipeline.pid_of, PROCESSES)), "all have ended", 70.0)
    assert time.monotonic() - begin < TERM_S
