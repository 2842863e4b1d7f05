"""A run with its servers under a nemesis, from its first event to its verdict."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import confluent_kafka as ck
import redis

from rushhour.core import keys
from rushhour.core.hours import HOUR_MS
from tests.chaos.comparison import Contents, differences, differences_so_far
from tests.chaos.control import Event
from tests.chaos.faults import FAULTS, Ending
from tests.chaos.nemesis import Nemesis
from tests.chaos.pipeline import Pipeline, Plan
from tests.chaos.proxy import Loop
from tests.chaos.schedule import SAME, Schedule, Step
from tests.chaos.servers import Broker
from tests.chaos.supervisor import End
from tests.chaos.verdict import Outcome, Report, defects, judge, tracebacks
from tests.fixtures.pipeline import random_trips
from tests.fixtures.trips import write_trips

_POLL_S = 0.05
_STUCK_S = 90.0
_DUMP_EACH_HOURS = 3


@dataclass(frozen=True, slots=True)
class Reference:
    """What an undisturbed run leaves, and the dump of an earlier, finished run of other trips."""

    trip_file: Path
    contents: Contents
    earlier: Path


class World:
    """One run under a schedule.

    Parameters
    ----------
    directory
        Where everything is; its path is short, for it holds Unix sockets.
    schedule
        What happens.
    reference
        What must come out.
    kafka
        Bootstrap servers of a real Kafka, instead of the embedded broker.
    """

    def __init__(
        self, directory: Path, schedule: Schedule, reference: Reference, kafka: str | None = None
    ) -> None:
        self.schedule = schedule
        self.violations: list[str] = []
        self.notes: list[str] = []
        self._reference = reference
        self._directory = directory
        self._at_work = 0
        self._lock = threading.Lock()
        self._dumps: list[Path] = []
        self._dumped_hour = 0
        self._second: Pipeline | None = None
        self._second_thread: threading.Thread | None = None
        directory.mkdir(parents=True, exist_ok=True)
        file = Path(shutil.copy(reference.trip_file, directory / "trips.parquet"))
        plan = Plan(file)
        self._nemesis = Nemesis(schedule, plan)
        self._loop = Loop()
        self.broker = Broker(directory, kafka)
        (directory / "1").mkdir()
        self.pipeline = Pipeline(
            self._loop,
            self.broker,
            directory / "1",
            plan,
            (schedule.dataflows, schedule.consumers),
            on_event=self._on_event,
            dump=reference.earlier,
        )

    def run(self) -> Report:
        """Run to the end, and judge."""
        begin = time.monotonic()
        ends = self.pipeline.prepare("--new")
        stopped: End | None = None
        finished = False
        if ends[-1].code == 0:
            self._dumps.append(self.pipeline.redis.save())
            self.pipeline.supervisor.start()
            finished, stopped = self._supervise(self.pipeline)
        else:
            stopped = ends[-1]
        if self._second_thread is not None:
            self._second_thread.join()
        outcome: Outcome = "stopped" if stopped is not None else "equal" if finished else "stuck"
        alive = self.pipeline.supervisor.stop() if finished else []
        self.pipeline.supervisor.kill()
        different = self._compare(finished)
        if finished and different:
            outcome = "different"
        ends += self.pipeline.supervisor.ends
        problems = [
            *judge(outcome, stopped, self._nemesis.fired, different),
            *self.pipeline.watch.violations,
            *self.violations,
            *defects(ends),
            *tracebacks(self.pipeline.supervisor.logs()),
            *(f"{name} was replaced while it was frozen, and still works" for name in alive),
        ]
        return Report(
            self.schedule,
            outcome,
            tuple(problems),
            tuple(self._nemesis.fired),
            time.monotonic() - begin,
            stopped,
            tuple(ends),
            tuple(self.notes),
        )

    def close(self) -> None:
        """End everything."""
        if self._second is not None:
            self._second.close()
        self.pipeline.close()
        self.broker.close()
        self._loop.close()

    def older_dump(self) -> Path:
        """Return the data of Redis as it was some hours ago."""
        return self._dumps[-2] if len(self._dumps) > 1 else self._dumps[-1]

    def point_to_broker(self) -> None:
        """Let the runs find the broker where it is now."""
        for pipeline in filter(None, (self.pipeline, self._second)):
            pipeline.point_to_broker()

    def other_trip_file(self) -> Path:
        """Write a trip file of the same month with other trips."""
        rows = random_trips(days=2, count=700)
        return write_trips(self._directory / "other.parquet", rows)

    def start_second_run(self) -> None:
        """Start a run of other trips on the same broker, with a Redis of its own.

        Returns when that run is under way, so that both go on side by side.
        """
        directory = self._directory / "2"
        directory.mkdir()
        plan = replace(self.pipeline.plan, trip_file=self.other_trip_file())
        self._second = Pipeline(self._loop, self.broker, directory, plan, (1, 1))
        prepared = self._second.prepare()[-1]
        if prepared.code != 0:
            self.violations.append(f"the second run cannot be prepared: {prepared.line}")
            return
        self._second.supervisor.start()
        self._second_thread = threading.Thread(target=self._run_second, args=(self._second,))
        self._second_thread.start()
        deadline = time.monotonic() + _STUCK_S
        while time.monotonic() < deadline and not self._second.redis.client.xlen(keys.CITY_HOURLY):
            time.sleep(_POLL_S)

    def _run_second(self, second: Pipeline) -> None:
        finished, stopped = self._supervise(second)
        if not finished:
            outcome: Outcome = "stuck" if stopped is None else "stopped"
            problems = judge(outcome, stopped, self._nemesis.fired, [])
            self.violations += [f"the second run: {problem}" for problem in problems]
            return
        verified = second.verify()
        if verified.code != 0:
            self.violations.append(f"the second run is wrong: {verified.line}")

    def _supervise(self, pipeline: Pipeline) -> tuple[bool, End | None]:
        """Restart what ends until the run is finished, stopped or stuck."""
        last_progress, moved_at = pipeline.watch.progress(), time.monotonic()
        while time.monotonic() - moved_at < _STUCK_S:
            time.sleep(_POLL_S)
            now = pipeline.watch.progress()
            moved = now is not None and now != last_progress
            if moved:
                last_progress, moved_at = now, time.monotonic()
            quiet = self._at_work == 0
            if not quiet:
                moved_at = time.monotonic()
            if self._is_out_of_memory(pipeline):
                return False, None
            stopped = pipeline.supervisor.step(progress=moved, quiet=quiet)
            if stopped is not None:
                return False, stopped
            if quiet and pipeline.supervisor.is_done():
                return True, None
        return False, None

    def _is_out_of_memory(self, pipeline: Pipeline) -> bool:
        """Whether a process needs more memory than allowed, and possibly than the machine has."""
        supervisor = pipeline.supervisor
        pids = {name: supervisor.pid_of(name) for name in supervisor.names}
        return any(
            pid is not None and pipeline.watch.note_memory(name, pid) for name, pid in pids.items()
        )

    def _compare(self, finished: bool) -> list[str]:
        if self.pipeline.redis.process.poll() is not None:
            return ["Redis is gone"]
        self.pipeline.redis.resume()
        found = Contents.read(self.pipeline.redis.client)
        compare = differences if finished else differences_so_far
        return compare(self._reference.contents, found)

    def _on_event(self, process: str, event: Event) -> None:
        for step in self._nemesis.due(process, event):
            self._strike(step, process)
        if event.name == "consumer.closed" and event.hour is not None:
            self._keep_dump(event.hour)

    def _strike(self, step: Step, process: str) -> None:
        target = process if step.target == SAME else step.target
        self._count_at_work(1)
        ending = self._try(step, lambda: FAULTS[step.fault].act(self, target))
        if isinstance(ending, Ending):
            threading.Thread(target=self._end, args=(step, ending), daemon=True).start()
        else:
            self._count_at_work(-1)

    def _end(self, step: Step, ending: Ending) -> None:
        time.sleep(ending.seconds)
        self._try(step, ending.act)
        self._count_at_work(-1)

    def _try(self, step: Step, act: Callable[[], object]) -> object:
        """Begin or end a fault, in a thread from which nobody would hear of an error."""
        try:
            return act()
        except (redis.RedisError, ck.KafkaException) as error:
            self.notes.append(f"{step.fault}: {error!r}: another fault is at work")
        except Exception as error:
            self.violations.append(f"the fault {step.fault} failed: {error!r}")
        return None

    def _count_at_work(self, change: int) -> None:
        with self._lock:
            self._at_work += change

    def _keep_dump(self, hour_ts: int) -> None:
        """Save Redis every few hours, if a step of the schedule is going to need it."""
        if not any(step.fault == "redis.older" for step in self.schedule.steps):
            return
        with self._lock:
            if hour_ts < self._dumped_hour + _DUMP_EACH_HOURS * HOUR_MS:
                return
            self._dumped_hour = hour_ts
        try:
            self._dumps.append(self.pipeline.redis.save())
        except redis.RedisError as error:  # another fault is at work
            self.notes.append(f"Redis could not be saved: {error!r}")


@contextmanager
def open_world(
    directory: Path, schedule: Schedule, reference: Reference, kafka: str | None = None
) -> Iterator[World]:
    """Open a world, and end all its processes in any case."""
    world = World(directory, schedule, reference, kafka)
    try:
        yield world
    finally:
        world.close()


def undisturbed(directory: Path, kafka: str | None = None) -> Reference:
    """Run without any fault, and keep what it left."""
    directory.mkdir(parents=True, exist_ok=True)
    file = write_trips(directory / "reference.parquet", random_trips(days=2, count=1_500))
    loop, broker = Loop(), Broker(directory, kafka)
    (directory / "0").mkdir()
    pipeline = Pipeline(loop, broker, directory / "0", Plan(file), (1, 1))
    try:
        assert pipeline.prepare()[-1].code == 0
        pipeline.supervisor.start()
        deadline = time.monotonic() + _STUCK_S
        while not pipeline.supervisor.is_done():
            stopped = pipeline.supervisor.step(progress=False, quiet=True)
            assert stopped is None, stopped
            assert time.monotonic() < deadline, "the undisturbed run does not end"
            time.sleep(_POLL_S)
        assert not pipeline.watch.violations
        contents = Contents.read(pipeline.redis.client)
        assert len(contents.values["city:hourly"][1]) == Plan(file).hours  # type: ignore[arg-type]
        _pretend_other_trips(pipeline)
        earlier = shutil.copy(pipeline.redis.save(), directory / "earlier.rdb")
    finally:
        pipeline.close()
        broker.close()
        loop.close()
    return Reference(file, contents, Path(earlier))


def _pretend_other_trips(pipeline: Pipeline) -> None:
    """Change every count, so that what an earlier run has left can be told from the new one."""
    client = pipeline.redis.client
    for key in client.scan_iter(match="rides:*", count=1_000):
        for zone, rides in client.hgetall(key).items():
            client.hset(key, zone, int(rides) + 1)
