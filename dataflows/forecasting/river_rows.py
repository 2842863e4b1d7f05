"""A linear regression of River on arrays: the digits are those that it has on data frames.

`learn_many` of River reads its rows from a data frame by way of Narwhals, and `predict_many` writes
one. For the few rows of an hour, that takes several times as long as the regression itself.
"""

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from rushhour.core.arrays import Floats


def learn_rows(regression: Any, names: Sequence[str], rows: Floats, y: Floats) -> None:
    """Let a regression learn rows in order.

    Parameters
    ----------
    names
        The names of the features, `[features]`.
    rows
        `float64[rows, features]`. The last digits of the result depend on whether its rows or its
        columns are contiguous.
    y
        `float64[rows]`.
    """
    regression.learn_many(_Rows(names, rows), _Values(y))


def coefficients(regression: Any, names: Sequence[str]) -> Floats:
    """Return what a linear regression without an intercept multiplies each feature by.

    It is what the regression predicts if that feature is 1 and all others are 0. The predictions of
    `predict_many` are the product of its rows and these.
    """
    return np.array([regression.predict_one({name: 1.0}) for name in names])


class _Rows(nw.DataFrame[Any]):
    """An array with what River asks of a data frame. Narwhals takes its own frames as they are."""

    implementation = nw.Implementation.UNKNOWN  # type: ignore[assignment]

    def __init__(self, names: Sequence[str], rows: Floats) -> None:
        self._names = names
        self._rows = rows

    @property
    def columns(self) -> list[str]:
        return list(self._names)

    def to_numpy(self) -> Floats:
        return self._rows


class _Values(nw.Series[Any]):
    """An array with what River asks of a series."""

    def __init__(self, values: Floats) -> None:
        self._values = values

    def to_numpy(self) -> Floats:
        return self._values
