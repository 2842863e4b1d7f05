"""What must hold at every moment of a run, whatever happens to it."""

import threading
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import redis

from rushhour.core import keys
from rushhour.core.hours import HOUR_MS, clock_label, parse_label
from rushhour.core.zones import ZONE_IDS
from rushhour.storage.clock import hour_of_entry, last_hour_closed
from tests.chaos.control import Event

# A process of a small run peaks at about 300 MiB.
MEMORY_BOUND_MIB = 700
_KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """What Redis says at one moment: all of it only grows."""

    offsets: Mapping[str, int]
    closed: Mapping[str, int]
    zone_hours: Mapping[str, int]
    city_hours: tuple[int, ...]

    @classmethod
    def read(cls, client: redis.Redis) -> "Sample":
        """Read Redis in one transaction."""
        pipe = client.pipeline(transaction=True)
        pipe.hgetall(keys.OFFSETS)
        pipe.hgetall(keys.CLOSED)
        pipe.xrange(keys.CITY_HOURLY)
        for zone in ZONE_IDS:
            pipe.hget(keys.zone(zone), "hour")
        offsets, closed, entries, *hours = pipe.execute()
        return cls(
            {name: int(value) for name, value in offsets.items()},
            {name: int(value) for name, value in closed.items()},
            {
                keys.zone(zone): parse_label(hour)
                for zone, hour in zip(ZONE_IDS, hours, strict=True)
                if hour is not None
            },
            tuple(hour_of_entry(entry_id) for entry_id, _ in entries),
        )


def went_back(before: Sample, now: Sample) -> list[str]:
    """Return what is lower or missing in the later one of two samples."""
    found = []
    for what, old, new in (
        ("sim:offsets", before.offsets, now.offsets),
        ("sim:closed", before.closed, now.closed),
        ("the hour of a zone", before.zone_hours, now.zone_hours),
    ):
        found += [
            f"{what} went back: {name} from {value} to {new.get(name)}"
            for name, value in old.items()
            if new.get(name, -1) < value
        ]
    if now.city_hours[: len(before.city_hours)] != before.city_hours:
        found.append("city:hourly went back")
    return found[:3]


def holes(sample: Sample, start_ts: int) -> list[str]:
    """Return the first hour that `city:hourly` lacks between others."""
    for index, hour in enumerate(sample.city_hours):
        if hour != start_ts + index * HOUR_MS:
            return [f"city:hourly lacks {clock_label(start_ts + index * HOUR_MS)}"]
    return []


@dataclass(slots=True)
class Watch:
    """Samples a run at its events, and keeps what was violated.

    Parameters
    ----------
    client
        A client of Redis of its own: no fault of a network reaches it.
    start_ts
        First hour of the run (epoch ms).
    end_ts
        End of its last hour (epoch ms). Entries after it are not the run's.
    ahead_hours
        How far the producer may be ahead of the last closed hour.
    """

    client: redis.Redis
    start_ts: int
    end_ts: int
    ahead_hours: int
    violations: list[str] = field(default_factory=list)
    _last: Sample | None = None
    _writers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _highest_tick: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, process: str, event: Event) -> None:
        """Check what an event can tell; the process is held meanwhile."""
        with self._lock:
            if event.name == "consumer.written":
                self._check_writer(process, event.pid)
            if event.name in ("consumer.written", "consumer.closed"):
                self._check_sample()
            elif event.name == "producer.tick" and event.hour is not None:
                self._check_lead(event.hour)

    def note_memory(self, process: str, pid: int) -> bool:
        """Check the peak of a process's memory; return whether it has passed the bound."""
        mib = _peak_mib(pid)
        if mib <= MEMORY_BOUND_MIB:
            return False
        with self._lock:
            self._add([f"{process} needs more than {MEMORY_BOUND_MIB} MiB of memory"])
        return True

    def forget(self) -> None:
        """Start anew: Redis was put back by a fault."""
        with self._lock:
            self._last = None

    def progress(self) -> object:
        """Return something that changes whenever the run moves on; None without Redis."""
        with suppress(redis.RedisError, ValueError):
            pipe = self.client.pipeline(transaction=False)
            pipe.hgetall(keys.OFFSETS)
            pipe.hget(keys.CLOCK, "now_ts")
            pipe.xlen(keys.CITY_HOURLY)
            return str(pipe.execute())
        return None

    def _check_sample(self) -> None:
        try:
            sample = Sample.read(self.client)
        except (redis.RedisError, ValueError):
            return  # a fault is at work
        if self._last is not None:
            self._add(went_back(self._last, sample))
        ours = tuple(hour for hour in sample.city_hours if hour < self.end_ts)
        self._add(holes(replace(sample, city_hours=ours), self.start_ts))
        self._last = sample

    def _check_writer(self, process: str, pid: int) -> None:
        writers = self._writers[process]
        if pid in writers[:-1]:
            self._add([f"{process} {pid} wrote after its successor {writers[-1]}"])
        elif pid not in writers:
            writers.append(pid)

    def _check_lead(self, tick_ts: int) -> None:
        """Ticks that are sent again after Redis went back are not ahead of anything."""
        if self._last is None or tick_ts <= self._highest_tick:
            return
        self._highest_tick = tick_ts
        with suppress(redis.RedisError):
            closed = last_hour_closed(self.client)
            first_open = self.start_ts if closed is None else closed + HOUR_MS
            lead = (tick_ts - first_open) // HOUR_MS
            if lead > self.ahead_hours:
                self._add([f"the producer is {lead} hours ahead, {self.ahead_hours} are allowed"])

    def _add(self, found: list[str]) -> None:
        self.violations += [line for line in found if line not in self.violations]


def _peak_mib(pid: int) -> int:
    """Return the peak of a process's memory in MiB; 0 where the system does not report it."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // _KIB_PER_MIB
    return 0
