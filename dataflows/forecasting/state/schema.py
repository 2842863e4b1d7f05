"""What the state of the forecasters may look like: what a new engine of this code looks like."""

from collections import defaultdict, deque
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any

import numpy as np

from dataflows.forecasting.state.graph import attributes_of, class_name, parts

_NONE, _NUMBER, _TEXT = "None", "a number", "text"
_FREE = (_NONE, _NUMBER, _TEXT)
_WORDS: dict[type | UnionType, str] = {
    NoneType: _NONE,
    bool | np.bool_: "a flag",  # before the numbers, of which a flag is one
    int | float | np.number: _NUMBER,
    str: _TEXT,
}


class Schema:
    """The classes of some examples, the names of their attributes, and what each of these holds.

    What is a number, an array of some type and shape, or an object of a class in the examples has
    to be so elsewhere, but for two freedoms of what grows while it learns: an array may have any
    length along an axis that is empty in one of the examples, and what is None or empty in all of
    them may be any number, text or array. Values may only be infinite or NaN where those of an
    example are.

    Parameters
    ----------
    examples
        Objects of one class.
    """

    def __init__(self, *examples: object) -> None:
        self.classes: dict[str, type] = {}
        self._names: defaultdict[str, set[frozenset[str]]] = defaultdict(set)
        self._kinds: defaultdict[str, set[str]] = defaultdict(set)
        self._shapes: defaultdict[str, set[tuple[int, ...]]] = defaultdict(set)
        self._not_finite: set[str] = set()
        for example in examples:
            for owner, value in parts(example):
                self._add(owner, value)

    def fault_of(self, root: object) -> str:
        """Return what is not as in the examples, in words; empty if nothing."""
        return next((fault for part in parts(root) for fault in self._faults(*part)), "")

    def _add(self, owner: str, value: Any) -> None:
        kind = _kind(value)
        self._kinds[owner].add(kind)
        if isinstance(value, np.ndarray):
            self._shapes[owner].add(value.shape)
        if not _is_finite(value):
            self._not_finite.add(owner)
        if kind == class_name(type(value)):
            self.classes[kind] = type(value)
            self._names[kind].add(frozenset(attributes_of(value) or ()))

    def _faults(self, owner: str, value: Any) -> Iterator[str]:
        kind, known = _kind(value), self._kinds.get(owner, set())
        where = owner or "it"
        if kind not in known and not (
            known <= {_NONE} and (kind in _FREE or isinstance(value, np.ndarray))
        ):
            yield f"{where} is {kind} instead of {' or '.join(sorted(known)) or 'plain data'}"
        if kind in self._names and frozenset(attributes_of(value) or ()) not in self._names[kind]:
            yield f"{where} has other attributes"
        if isinstance(value, np.ndarray) and not self._fits(owner, value.shape):
            yield f"{where} has the shape {value.shape}"
        if not _is_finite(value) and owner not in self._not_finite:
            yield f"{where} is not finite"

    def _fits(self, owner: str, shape: tuple[int, ...]) -> bool:
        known = self._shapes.get(owner)
        if not known:
            return True
        return any(
            len(each) == len(shape) and all(a in {0, b} for a, b in zip(each, shape, strict=True))
            for each in known
        )


def _kind(value: Any) -> str:
    """Return what a value is, in words; of an object the full name of its class."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} with {value.ndim} axes"
    if isinstance(value, list | tuple | dict | deque):
        return f"a {type(value).__name__}"
    words = (name for kinds, name in _WORDS.items() if isinstance(value, kinds))
    return next(words, None) or class_name(type(value))


def _is_finite(value: Any) -> bool:
    if isinstance(value, np.ndarray) and value.dtype.kind not in "fc":
        return True
    if not isinstance(value, np.ndarray | int | float | np.number):
        return True
    return bool(np.isfinite(value).all())
