"""Draws schedules from seeds, and finds the steps that an event is due for."""

import random
import threading
from collections import Counter

from rushhour.core.hours import HOUR_MS
from tests.chaos.control import Event
from tests.chaos.faults import FAULTS, ROOMS, Fault
from tests.chaos.pipeline import PREPARE, Plan, room_of
from tests.chaos.schedule import SAME, Schedule, Step, Trigger

# Seeds of one block hold every fault once.
BLOCK = 12
_MORE_STEPS = (0, 0, 1)
_PARTITIONS = 4
# Failpoints with an hour; and others, with how often even a short run reaches them.
_HOURLY = {
    "producer": ("producer.trips", "producer.tick"),
    "dataflow": ("dataflow.hour",),
    "consumer": ("consumer.transaction", "consumer.written", "consumer.city", "consumer.closed"),
}
_COUNTED = {
    "producer": {"producer.status": 12, "producer.finished": 1, "lease.renew": 5},
    "dataflow": {"dataflow.start": 1, "dataflow.flushed": 15, "lease.renew": 5},
    "consumer": {"lease.renew": 5},
}
_PREPARE = ("prepare.clear", "prepare.write", "prepare.done")
_FIRST_HOUR = 2


def draw(seed: int, hours: int) -> Schedule:
    """Return the schedule of a seed for a run of so many hours.

    The faults are dealt: the seeds of a block of twelve hold each of them once, and some more.
    """
    block = random.Random(f"block {seed // BLOCK}")
    names = list(FAULTS)
    block.shuffle(names)
    dealt = names[seed % BLOCK :: BLOCK]
    rng = random.Random(f"seed {seed}")
    more = [name for name in FAULTS if not FAULTS[name].late and FAULTS[name].targets]
    dealt += rng.choices(more, k=rng.choice(_MORE_STEPS))
    dataflows, consumers = rng.choice([(1, 1), (1, 2), (2, 1), (2, 2)])
    steps = [_step(rng, name, hours) for name in dealt]
    return Schedule(tuple(steps), dataflows, consumers, seed)


def _step(rng: random.Random, name: str, hours: int) -> Step:
    fault = FAULTS[name]
    if fault.targets == (PREPARE,):
        return Step(Trigger("prepare", rng.choice(_PREPARE), 1), name, PREPARE)
    target = rng.choice(fault.targets) if fault.targets else SAME
    room = target if target in ROOMS and rng.random() < 2 / 3 else rng.choice(ROOMS)
    if room == target:
        target = SAME
    elif target in ROOMS:
        target = f"{target}-0"
    return Step(_trigger(rng, fault, room, hours), name, target)


def _trigger(rng: random.Random, fault: Fault, room: str, hours: int) -> Trigger:
    first = hours * 2 // 3 if fault.late else _FIRST_HOUR
    if fault.late or rng.random() < 3 / 4:
        failpoint = rng.choice(_HOURLY[room])
        partition = rng.randrange(_PARTITIONS) if failpoint == "producer.tick" else None
        # The last number is the final tick of the producer; others do not get that far.
        end = hours if failpoint == "producer.tick" else hours - 2
        return Trigger(room, failpoint, rng.randint(first, end), partition)
    failpoint = rng.choice(list(_COUNTED[room]))
    return Trigger(room, failpoint, rng.randint(1, _COUNTED[room][failpoint]))


class Nemesis:
    """Hands out each step of a schedule once: at the first event that its trigger describes."""

    def __init__(self, schedule: Schedule, plan: Plan) -> None:
        self._waiting = list(schedule.steps)
        self._start_ts = plan.start_ts
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self.fired: list[Step] = []

    def due(self, process: str, event: Event) -> list[Step]:
        """Return the steps that an event of a process is due for."""
        room = room_of(process)
        with self._lock:
            self._counts[room, event.name] += 1
            count = self._counts[room, event.name]
            found = [
                step
                for step in self._waiting
                if _is_due(step.trigger, room, event, count, self._hour(event))
            ]
            for step in found:
                self._waiting.remove(step)
            self.fired += found
        return found

    def _hour(self, event: Event) -> int | None:
        return None if event.hour is None else (event.hour - self._start_ts) // HOUR_MS


def _is_due(trigger: Trigger, room: str, event: Event, count: int, hour: int | None) -> bool:
    if (trigger.room, trigger.failpoint) != (room, event.name):
        return False
    if trigger.partition is not None and event.details.get("partition") != trigger.partition:
        return False
    return (count if hour is None else hour) >= trigger.number
