"""What must hold at every moment of a run under way, whatever happens to its processes."""

from collections.abc import Mapping
from dataclasses import dataclass

import redis

from rushhour.core import keys
from rushhour.core.clock import ENDED
from rushhour.core.hours import HOUR_MS, SECOND_MS, clock_label, hour_label
from rushhour.core.labels import progress_label
from rushhour.core.run import RunInfo
from rushhour.core.zones import ZONE_IDS
from rushhour.runtime.lease import LEASE_S
from rushhour.simulator.evaluation.verification.check import Check, Differences, whole_number

# The producer writes the clock ten times a second, while Redis answers.
_FRESH_MS = 10 * SECOND_MS
# A process that ends is started again within a few seconds, by those who start them again.
_ABSENT_MS = int(3 * LEASE_S * SECOND_MS)


@dataclass(frozen=True, slots=True)
class Sample:
    """What Redis says of a run at one moment.

    Attributes
    ----------
    now_ms
        Wall time of the Redis server, epoch milliseconds.
    entries
        Ids of the entries of `city:hourly` from the last one of the sample before on; `length` is
        the number of all.
    leases, epochs
        By process; an epoch of 0 was never taken.
    """

    run_id: str
    now_ms: int
    offsets: Mapping[str, str]
    closed: Mapping[str, str]
    zone_hours: Mapping[str, str]
    entries: tuple[str, ...]
    length: int
    clock: Mapping[str, str]
    quality: Mapping[str, str]
    leases: Mapping[str, str | None]
    epochs: Mapping[str, int]

    @classmethod
    def read(cls, client: redis.Redis, run: RunInfo, last_entry: str) -> "Sample":
        """Read Redis in one transaction, and `city:hourly` from `last_entry` on."""
        processes = run.processes
        pipe = client.pipeline(transaction=True)
        pipe.hget(keys.RUN, "run_id")
        pipe.time()
        for key in (keys.OFFSETS, keys.CLOSED, keys.CLOCK, keys.QUALITY):
            pipe.hgetall(key)
        pipe.xrange(keys.CITY_HOURLY, min=last_entry)
        pipe.xlen(keys.CITY_HOURLY)
        for zone in ZONE_IDS:
            pipe.hget(keys.zone(zone), "hour")
        for process in processes:
            pipe.get(keys.lease(process))
            pipe.get(keys.epoch(process))
        run_id, time, offsets, closed, clock, quality, entries, length, *rest = pipe.execute()
        hours, held = rest[: len(ZONE_IDS)], rest[len(ZONE_IDS) :]
        return cls(
            run_id=run_id or "",
            now_ms=time[0] * SECOND_MS + time[1] // 1000,
            offsets=offsets,
            closed=closed,
            zone_hours={
                keys.zone(zone): hour for zone, hour in zip(ZONE_IDS, hours, strict=True) if hour
            },
            entries=tuple(entry_id for entry_id, _ in entries),
            length=length,
            clock=clock,
            quality=quality,
            leases=dict(zip(processes, held[::2], strict=True)),
            epochs={
                process: int(epoch or 0)
                for process, epoch in zip(processes, held[1::2], strict=True)
            },
        )


class Invariants:
    """Compares each sample of a run with the one before it, and with the bounds of the run.

    Parameters
    ----------
    ahead_hours
        How many simulated hours the producer may be ahead of the last closed hour.
    """

    def __init__(self, run: RunInfo, ahead_hours: int) -> None:
        self._run = run
        self._ahead_ms = ahead_hours * HOUR_MS
        self._before: Sample | None = None
        self._absent_since: dict[str, int] = {}
        self._first_ms = 0
        self._hours = 0
        self._samples = 0
        self._found = {
            name: Differences()
            for name in (
                "closed hours never go back",
                "offsets never go back",
                "zones never go back",
                "city:hourly has no hole",
                "every closed hour is scored",
                "the producer keeps its lead",
                "the producer reports",
                "each lease has one owner",
                "every process is there",
            )
        }

    @property
    def hours(self) -> int:
        """How many hours are closed, as of the last sample."""
        return self._hours

    @property
    def last_entry(self) -> str:
        """Id of the last entry of `city:hourly` that is known; the smallest id before the first."""
        last = self._run.start_ts + (self._hours - 1) * HOUR_MS
        return f"{last}-0" if self._hours else "-"

    def add(self, sample: Sample) -> None:
        """Compare a sample, whose entries begin at `last_entry`."""
        before = self._before or sample
        self._first_ms = self._first_ms or sample.now_ms
        self._samples += 1
        self._only_grow("closed hours never go back", keys.CLOSED, before.closed, sample.closed)
        self._only_grow("offsets never go back", keys.OFFSETS, before.offsets, sample.offsets)
        zones = self._found["zones never go back"]
        for key, hour in before.zone_hours.items():
            zones.compared += 1
            now = sample.zone_hours.get(key, "")
            if now < hour:  # labels of hours are in the order of text
                zones.add(f"{key} hour was {hour} and is {now or 'missing'}")
        self._entries(sample)
        self._scores(sample)
        self._lead(sample)
        self._leases(before, sample)
        self._before = sample

    def checks(self) -> list[Check]:
        """Return a check for each invariant, over all samples."""
        return [self._found[name].check(name, "comparisons") for name in self._found]

    def summary(self) -> Check:
        """Return how much was watched."""
        last_ms = self._before.now_ms if self._before else self._first_ms
        seconds = (last_ms - self._first_ms) / SECOND_MS
        return Check(
            "the run was watched",
            "ok",
            f"{self._samples} samples in {seconds:.1f} s, {progress_label(self._run, self._hours)}",
        )

    def _only_grow(
        self, name: str, key: str, before: Mapping[str, str], now: Mapping[str, str]
    ) -> None:
        found = self._found[name]
        for field, text in before.items():
            found.compared += 1
            old, new = whole_number(text), whole_number(now.get(field))
            if old is None or new is None or new < old:
                found.add(f"{key} {field} was {text} and is {now.get(field, 'missing')}")

    def _entries(self, sample: Sample) -> None:
        """Check that the entries are those of the closed hours, without a hole."""
        found = self._found["city:hourly has no hole"]
        first = max(self._hours - 1, self._first_index(sample))
        for index, entry_id in enumerate(sample.entries, first):
            found.compared += 1
            expected = f"{self._run.start_ts + index * HOUR_MS}-0"
            if entry_id != expected or index >= self._run.hours:
                found.add(f"{keys.CITY_HOURLY} has {entry_id} where {expected} belongs")
                break
        hours = first + len(sample.entries)
        kept = hours - (self._run.first_kept(self._ts(hours)) - self._run.start_ts) // HOUR_MS
        if hours < self._hours:
            label = hour_label(self._run.start_ts + (self._hours - 1) * HOUR_MS)
            self._found["closed hours never go back"].add(f"{keys.CITY_HOURLY} has lost {label}")
        elif sample.length != kept:
            found.add(f"{keys.CITY_HOURLY} has {sample.length} entries instead of {kept}")
        self._hours = min(hours, self._run.hours)

    def _first_index(self, sample: Sample) -> int:
        """Return the index of the first entry of a sample: 0, unless earlier ones are not kept."""
        if self._run.keep_hours is None or not sample.entries:
            return 0
        first = whole_number(sample.entries[0].partition("-")[0]) or 0
        return max(0, (first - self._run.start_ts) // HOUR_MS)

    def _ts(self, index: int) -> int:
        return self._run.start_ts + index * HOUR_MS

    def _scores(self, sample: Sample) -> None:
        found = self._found["every closed hour is scored"]
        if self._hours:
            found.compared += 1
            closed, overlap = (sample.quality.get(name) for name in ("hours_closed", "overlap"))
            if overlap != "1.0" or closed != str(self._hours):
                found.add(f"{keys.QUALITY} has hours_closed {closed}, overlap {overlap}")

    def _lead(self, sample: Sample) -> None:
        """Check how far the producer is ahead, and that it has written its clock lately."""
        now, beat = (whole_number(sample.clock.get(name)) for name in ("now_ts", "heartbeat_ts"))
        if now is None or beat is None:
            return  # it has not started
        lead = self._found["the producer keeps its lead"]
        reports = self._found["the producer reports"]
        lead.compared += 1
        closed_until = self._run.start_ts + self._hours * HOUR_MS
        if now - closed_until > self._ahead_ms:
            until = clock_label(closed_until)
            lead.add(f"it is at {clock_label(now)}, and hours are closed until {until}")
        if sample.clock.get("state") not in ENDED:
            reports.compared += 1
            if sample.now_ms - beat > _FRESH_MS:
                reports.add(f"{keys.CLOCK} is {(sample.now_ms - beat) / SECOND_MS:.0f} s old")

    def _leases(self, before: Sample, sample: Sample) -> None:
        owners = self._found["each lease has one owner"]
        present = self._found["every process is there"]
        over = sample.clock.get("state") in ENDED
        for process, owner in sample.leases.items():
            owners.compared += 1
            old, new = before.epochs[process], sample.epochs[process]
            previous = before.leases[process]
            if new < old:
                owners.add(f"{keys.epoch(process)} was {old} and is {new}")
            elif new == old and owner and previous and owner != previous:
                owners.add(f"{process} changed hands without a new epoch")
            present.compared += 1
            if owner or over:
                self._absent_since.pop(process, None)
                continue
            since = self._absent_since.setdefault(process, sample.now_ms)
            if sample.now_ms - since > _ABSENT_MS:
                present.add(f"{process} has not held its lease for {_ABSENT_MS // SECOND_MS} s")
