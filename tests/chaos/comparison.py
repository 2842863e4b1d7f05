"""Whether two runs left the same in Redis: every key outside of `sim:*`, to the last digit."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import redis

from rushhour.core import keys
from rushhour.core.hours import HOUR_MS, hour_label
from rushhour.storage.clock import hour_of_entry

_SIM = "sim:"
_HOUR = re.compile(r":(\d{4}-\d\d-\d\dT\d\d)$")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that depends on the trips alone, and the last closed hour.

    `values` has the type and the value of each key: the fields of a hash, the members of a sorted
    set with their scores in order, the entries of a stream with their ids.
    """

    values: dict[str, tuple[str, object]]
    last_closed: int | None

    @classmethod
    def read(cls, client: redis.Redis) -> "Contents":
        """Read Redis."""
        readers: dict[str, Callable[[str], object]] = {
            "hash": client.hgetall,
            "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            "stream": client.xrange,
            "string": client.get,
        }
        values = {}
        for key in sorted(client.scan_iter(count=1_000)):
            if not key.startswith(_SIM):
                kind = str(client.type(key))
                values[key] = kind, readers[kind](key)
        entries: Any = client.xrange(keys.CITY_HOURLY)
        return cls(values, _last_in_a_row([hour_of_entry(entry_id) for entry_id, _ in entries]))

    def closed_tables(self) -> "Contents":
        """Return the tables of hours that are closed: what an unfinished run must not get wrong."""
        if self.last_closed is None:
            return Contents({}, None)
        last = hour_label(self.last_closed)
        values = {
            key: value
            for key, value in self.values.items()
            if (label := _HOUR.search(key)) and label[1] <= last
        }
        return Contents(values, self.last_closed)


def differences(expected: Contents, found: Contents) -> list[str]:
    """Return what differs, one line each; the first few fields of a key stand for all."""
    lines: list[str] = []
    for key in sorted(expected.values.keys() | found.values.keys()):
        if key not in found.values:
            lines.append(f"{key} is missing")
        elif key not in expected.values:
            lines.append(f"{key} should not exist")
        elif expected.values[key] != found.values[key]:
            lines.append(f"{key}: {_explain(expected.values[key], found.values[key])}")
    return lines


def differences_so_far(expected: Contents, found: Contents) -> list[str]:
    """Return what differs in the hours that an unfinished run has closed."""
    tables = found.closed_tables()
    wanted = Contents(expected.values, found.last_closed).closed_tables()
    return differences(wanted, tables)


def _last_in_a_row(hours: list[int]) -> int | None:
    """Return the last hour before the first gap: what comes after it, the run has not written."""
    in_a_row = [hour for index, hour in enumerate(hours) if hour == hours[0] + index * HOUR_MS]
    return in_a_row[-1] if in_a_row else None


def _explain(expected: tuple[str, object], found: tuple[str, object]) -> str:
    if expected[0] != found[0]:
        return f"a {expected[0]} became a {found[0]}"
    changed = list(_changes(_as_mapping(expected[1]), _as_mapping(found[1])))
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return ", ".join(changed[:_SHOWN]) + more if changed else "another order"


def _changes(expected: dict[str, object], found: dict[str, object]) -> Iterator[str]:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            yield f"{name} {expected.get(name)!r} became {found.get(name)!r}"


def _as_mapping(value: object) -> dict[str, object]:
    """Return the fields, members or entries of a value."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(name): content for name, content in value}
    return {keys.NOT_KNOWN: value}
