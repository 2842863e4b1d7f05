"""The tables of each hour: rides, errors, alerts, and the forecasts of all models."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import redis

from rushhour.core.hours import HOURS_PER_DAY, clock_label
from rushhour.core.labels import what_if
from rushhour.core.zones import ZONE_COUNT
from rushhour.simulator.evaluation.verification.check import Check
from rushhour.simulator.evaluation.verification.expected import Expected, Table

_HOURS_AT_ONCE = HOURS_PER_DAY  # bounds the size of one reply
# Names of the checks of tables that no model makes.
_NAMES = {
    "rides": "rides equal a recount of the file",
    "errors": "errors are predictions minus rides",
}


def check_tables(
    client: redis.Redis, expected: Expected, hours: int, known: set[str]
) -> Iterator[Check]:
    """Yield a check for each kind of table of the first `hours` of the run, and the next forecast.

    Every text must be that of the replay, to the last digit. The keys of all tables, there or
    not, are added to `known`.
    """
    kinds: dict[str, _Kind] = {}
    missing = 0
    for table, found in _read(client, expected, hours):
        kind = kinds.setdefault(table.kind, _Kind())
        kind.compare(table, found)
        known.add(table.key)
        if table.kind == "rides":
            missing += len(table.fields.keys() - found.keys())
    yield Check.of(
        "every zone and closed hour has rides",
        missing == 0,
        f"{hours} hours x {ZONE_COUNT} zones, {missing} missing",
    )
    rides = int(expected.arrays.rides[:hours].sum())
    for name, kind in kinds.items():
        if name == "rides":
            surge = f" ({what_if(expected.run)})" if expected.run.surge else ""
            detail = f"{rides:,} rides, {kind.different} zone-hours differ{surge}{kind.where}"
        else:
            detail = f"{kind.compared:,} compared, {kind.different} differ{kind.where}"
        title = _NAMES.get(name, f"{name} equal an offline replay")
        yield Check.of(title, not kind.different, detail)


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
    client: redis.Redis, expected: Expected, hours: int
) -> Iterator[tuple[Table, dict[str, str]]]:
    """Yield each table that must be there, and the hash that is."""
    for start in range(0, hours + 1, _HOURS_AT_ONCE):
        block = range(start, min(start + _HOURS_AT_ONCE, hours + 1))
        tables = [
            table
            for index in block
            for table in chain(
                expected.closed_tables(index) if index < hours else (),
                expected.forecast_tables(index),
            )
        ]
        pipe = client.pipeline(transaction=False)
        for table in tables:
            pipe.hgetall(table.key)
        found: list[Any] = pipe.execute()
        yield from zip(tables, found, strict=True)
