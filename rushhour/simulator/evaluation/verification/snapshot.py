"""What Redis holds of a run at one moment, but for the tables of its hours."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median_low, mode
from typing import Any

import numpy as np
import redis

from rushhour.core import keys
from rushhour.core.arrays import Counts
from rushhour.core.hours import HOUR_MS, HOURS_PER_WEEK, parse_label
from rushhour.core.run import RunInfo
from rushhour.core.topics import ZONE_TOPICS
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.simulator.evaluation.verification.check import whole_number
from rushhour.storage.columns import zones_of
from rushhour.storage.submissions import submitted_models

Fields = Mapping[str, str]
Entries = list[tuple[str, dict[str, str]]]

# How far ahead of the last closed hour Redis may hold something: what a month or a loop takes of
# submissions, at the most.
MOST_AHEAD_HOURS = 5 * HOURS_PER_WEEK

_HASHES = (
    keys.CITY, keys.QUALITY, keys.COVERAGE, keys.CLOSED, keys.OFFSETS, keys.CLOCK, keys.SKIPPED,
    keys.SUBMISSIONS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The keys of a run that show its latest state, and its two streams, read in one transaction.

    `submitted` are the users' models; `boards` are the scores of the members of the sorted sets.
    """

    run: RunInfo
    hashes: Mapping[str, Fields]
    zones: Mapping[int, Fields]
    models: Mapping[str, Fields]
    submitted: Mapping[str, Fields]
    horizons: Mapping[int, Fields]
    boards: Mapping[str, Fields]
    hourly: Entries
    alerts: Entries

    @classmethod
    def read(cls, client: redis.Redis, run: RunInfo) -> "Snapshot":
        """Read a run."""
        submitted = submitted_models(client)
        pipe = client.pipeline(transaction=True)  # no hour closes between the replies
        names = [
            *_HASHES,
            *(keys.zone(zone) for zone in ZONE_IDS),
            *(keys.model(name) for name in run.models),
            *(keys.submitted_model(name) for name in submitted),
            *(keys.horizon(horizon) for horizon in run.horizons_ahead),
        ]
        for name in names:
            pipe.hgetall(name)
        boards = (keys.BOARD_MAE, keys.BOARD_RIDES)
        for name in boards:
            pipe.zrange(name, 0, -1, withscores=True)
        pipe.xrange(keys.CITY_HOURLY)
        pipe.xrange(keys.ALERTS)
        *found, hourly, alerts = pipe.execute()
        hashes: dict[str, dict[str, str]] = dict(zip(names, found, strict=False))
        ranks: list[Any] = found[len(names) :]
        return cls(
            run,
            hashes={name: hashes[name] for name in _HASHES},
            zones={zone: hashes[keys.zone(zone)] for zone in ZONE_IDS},
            models={name: hashes[keys.model(name)] for name in run.models},
            submitted={name: hashes[keys.submitted_model(name)] for name in submitted},
            horizons={each: hashes[keys.horizon(each)] for each in run.horizons_ahead},
            boards={
                name: {member: repr(score) for member, score in members}
                for name, members in zip(boards, ranks, strict=True)
            },
            hourly=hourly,
            alerts=alerts,
        )

    @property
    def hours(self) -> int:
        """How many hours are closed for the city.

        Three keys say so, and are written together. If one of them is wrong, the other two are
        right, and the check of that one fails.
        """
        entries = [ts for at, _ in self.hourly if (ts := self._hour(at)) is not None]
        counted = whole_number(self.hashes[keys.QUALITY].get("hours_closed"))
        return median_low(
            [
                self._hours_until(max(entries, default=None)),
                self._hours_until(_label_ts(self.hashes[keys.CITY].get("hour"))),
                self._within(counted or 0),
            ]
        )

    @property
    def first_kept(self) -> int:
        """The index of the first hour that Redis keeps."""
        run = self.run
        return (run.first_kept(run.start_ts + self.hours * HOUR_MS) - run.start_ts) // HOUR_MS

    @property
    def partitions(self) -> dict[int, list[int]]:
        """The partitions that have zones, and the indexes of the zones of each."""
        topics = [field.rpartition(":")[0] for field in self.hashes[keys.OFFSETS]]
        count = median_low([topics.count(topic) for topic in ZONE_TOPICS])  # of three equal ones
        found = {
            partition: np.flatnonzero(zones_of(partition, count)).tolist()
            for partition in range(count)
        }
        return {partition: zones for partition, zones in found.items() if zones}

    def closed_by_partition(self) -> dict[int, int]:
        """Return how many hours each partition has closed, at least as many as the city.

        Of `sim:closed`, the zones of the partition and the city, two agree.
        """
        hours = self.hours
        labels = [self._hours_until(_label_ts(self.zones[zone].get("hour"))) for zone in ZONE_IDS]
        return {
            partition: median_low(
                [
                    hours,
                    self._hours_until(whole_number(self.hashes[keys.CLOSED].get(str(partition)))),
                    mode(labels[zone] for zone in zones),
                ]
            )
            for partition, zones in self.partitions.items()
        }

    def closed_by_zone(self) -> Counts:
        """Return how many hours each zone has closed: `int64[zones]`."""
        closed, zones_by_partition = np.full(ZONE_COUNT, self.hours, np.int64), self.partitions
        for partition, hours in self.closed_by_partition().items():
            closed[zones_by_partition[partition]] = hours
        return closed

    def _hour(self, entry_id: str) -> int | None:
        """Return the hour (epoch ms) of an entry of `city:hourly`; None if it is not of the run."""
        ts = whole_number(entry_id.partition("-")[0])
        inside = ts is not None and self.run.start_ts <= ts < self.run.end_ts
        return ts if inside else None

    def _hours_until(self, last_hour: int | None) -> int:
        return (
            0 if last_hour is None else self._within((last_hour - self.run.start_ts) // HOUR_MS + 1)
        )

    def _within(self, hours: int) -> int:
        return min(max(hours, 0), self.run.hours)


def _label_ts(label: str | None) -> int | None:
    try:
        return None if label is None else parse_label(label)
    except ValueError:
        return None
