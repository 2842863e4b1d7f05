"""One check of a run, and the comparison of hashes that most checks are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rushhour.core.keys import NOT_KNOWN

Status = Literal["ok", "note", "fail"]
# What a field of a hash must hold: text to the last character, or a figure that was computed here.
# The processes may have added up in another order, so a figure may round to its neighbour.
Value = str | float
Hash = Mapping[str, Value]

_HALF_DIGIT = 0.5e-4 + 1e-9  # figures have four decimals (rushhour.core.models.DECIMALS)


@dataclass(frozen=True, slots=True)
class Check:
    """One question about a run, and its answer. A note is neither right nor wrong."""

    name: str
    status: Status
    detail: str

    @classmethod
    def of(cls, name: str, passed: bool, detail: str) -> "Check":
        """Return a check that has passed or failed."""
        return cls(name, "ok" if passed else "fail", detail)

    @property
    def passed(self) -> bool:
        """Whether the check found nothing wrong."""
        return self.status != "fail"


@dataclass(slots=True)
class Differences:
    """Counts what differs between expected and found, and remembers the first place."""

    compared: int = 0
    count: int = 0
    first: str = ""
    _keys: set[str] = field(default_factory=set)

    def add(self, where: str) -> None:
        """Add one difference."""
        self.count += 1
        self.first = self.first or where

    def compare(self, key: str, expected: Hash, found: Mapping[str, str]) -> None:
        """Compare a hash: every field, none missing and none more."""
        self.compared += len(expected)
        if expected == found:
            return
        for name, value in expected.items():
            if not _equal(value, found.get(name)):
                self.add(f"{key} {name} is {found.get(name, 'missing')} instead of {_text(value)}")
        for name in found.keys() - expected.keys():
            self.add(f"{key} has an unknown field {name}")

    def check(self, name: str, what: str = "figures") -> Check:
        """Return the check that nothing differs."""
        where = f"; the first: {self.first}" if self.first else ""
        return Check.of(
            name, not self.count, f"{self.compared:,} {what} compared, {self.count} differ{where}"
        )


def _equal(expected: Value, found: str | None) -> bool:
    if isinstance(expected, str) or found is None:
        return expected == found
    if expected != expected:  # noqa: PLR0124 - NaN
        return found == NOT_KNOWN
    figure = number(found)
    return figure is not None and abs(figure - expected) <= _HALF_DIGIT


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    return NOT_KNOWN if value != value else f"{value:.4f}"  # noqa: PLR0124 - NaN


def number(text: str | None) -> float | None:
    """Return a figure of Redis; None if it is not one.

    >>> number("2.5"), number("n/a"), number("many")
    (2.5, None, None)
    """
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def whole_number(text: str | None) -> int | None:
    """Return a whole number of Redis; None if it is not one.

    >>> whole_number("25"), whole_number("2.5"), whole_number(None)
    (25, None, None)
    """
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
