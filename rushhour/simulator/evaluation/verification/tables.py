"""The tables of each hour: rides, errors, alerts, and the forecasts of all models."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import redis

from rushhour.core.arrays import Counts
from rushhour.core.hours import HOURS_PER_DAY, clock_label
from rushhour.core.labels import what_if
from rushhour.core.run import RunInfo
from rushhour.core.zones import ZONE_COUNT
from rushhour.simulator.evaluation.verification.check import Check
from rushhour.simulator.evaluation.verification.expected import ERRORS, Expected, Table, rides_table

_HOURS_AT_ONCE = HOURS_PER_DAY  # bounds the size of one reply


def check_rides(
    client: redis.Redis, run: RunInfo, rides: Counts, known: set[str], first: int = 0
) -> Iterator[Check]:
    """Yield the checks of `rides:*`; `rides` are those of the closed hours, `int64[hours, zones]`.

    Redis keeps the hours from the index `first` on. The keys of these tables are added to `known`.
    """
    counted, missing = _Kind(), 0
    kept = rides[first:]
    tables = ([rides_table(run, index, of_hour)] for index, of_hour in enumerate(kept, first))
    for table, found in _read(client, tables):
        counted.compare(table, found)
        missing += len(table.fields.keys() - found.keys())
        known.add(table.key)
    yield Check.of(
        "every zone and closed hour has rides",
        missing == 0,
        f"{len(kept)} hours x {ZONE_COUNT} zones, {missing} missing",
    )
    surge = f" ({what_if(run)})" if run.surge else ""
    yield Check.of(
        "rides equal a recount of the file",
        not counted.different,
        f"{kept.sum():,} rides, {counted.different} zone-hours differ{surge}{counted.where}",
    )


def check_forecasts(
    client: redis.Redis, expected: Expected, hours: int, known: set[str], first: int = 0
) -> Iterator[Check]:
    """Yield a check for each kind of table that is made of forecasts.

    The forecasts of the hours after the closed ones are included. Every text must be that of the
    replay, to the last digit. The keys of all these tables, there or not, are added to `known`.
    """
    kinds: dict[str, _Kind] = {}
    tables = (
        [
            *(expected.closed_tables(index) if index < hours else ()),
            *(expected.forecast_tables(index) if index <= hours else ()),
            *expected.ahead_tables(index, hours),
        ]
        for index in range(first, hours + max(expected.run.horizons))
    )
    for table, found in _read(client, tables):
        kinds.setdefault(table.kind, _Kind()).compare(table, found)
        known.add(table.key)
    for name, kind in kinds.items():
        rule = "are predictions minus rides" if name == ERRORS else "equal an offline replay"
        yield Check.of(
            f"{name} {rule}",
            not kind.different,
            f"{kind.compared:,} compared, {kind.different} differ{kind.where}",
        )


class _Kind:
    """What was found of one kind of table."""

    def __init__(self) -> None:
        self.compared = 0
        self.different = 0
        self.first = ""

    def compare(self, table: Table, found: dict[str, str]) -> None:
        self.compared += len(table.fields)
        if found == table.fields:
            return
        wrong = {*table.fields.items()} ^ {*found.items()}
        zones = sorted({zone for zone, _ in wrong}, key=lambda zone: (len(zone), zone))
        self.different += len(zones)
        self.first = self.first or f"zone {zones[0]}, {clock_label(table.hour_ts)}"

    @property
    def where(self) -> str:
        return f"; the first at {self.first}" if self.first else ""


def _read(
    client: redis.Redis, tables_of_hours: Iterable[Sequence[Table]]
) -> Iterator[tuple[Table, dict[str, str]]]:
    """Yield each table of some hours, and the hash that Redis has instead."""
    remaining = iter(tables_of_hours)
    while block := [*chain.from_iterable(islice(remaining, _HOURS_AT_ONCE))]:
        pipe = client.pipeline(transaction=False)
        for table in block:
            pipe.hgetall(table.key)
        found: list[Any] = pipe.execute()
        yield from zip(block, found, strict=True)
