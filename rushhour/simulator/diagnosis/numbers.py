"""A column of whole numbers (zone ids) or of figures in any form, read."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from rushhour.core.arrays import Floats, Mask
from rushhour.simulator.diagnosis.times import Ints, is_text

_LARGEST = 2.0**53  # floats below are exact


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A column of numbers, read.

    `kind` is `integer`, `float`, `text` or `other`. `values` are NaN where a row is empty (`null`)
    or no number.
    """

    kind: str
    type: Any
    values: Floats
    null: Mask

    @property
    def whole(self) -> Mask:
        """Which rows are whole numbers."""
        finite = np.isfinite(self.values) & (np.abs(self.values) < _LARGEST)
        whole: Mask = finite & (np.floor(np.where(finite, self.values, 0.5)) == self.values)
        return whole

    @property
    def ids(self) -> Ints:
        """The whole numbers; -1 for rows that are none."""
        return np.where(self.whole, self.values, -1.0).astype(np.int64)


def read_numbers(column: Any) -> Numbers:
    """Read a column of an Arrow table."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    null: npt.NDArray[np.bool_] = np.asarray(column.is_null())
    type_ = column.type
    if pa.types.is_null(type_):
        kind, values = "other", np.full(len(column), np.nan)
    elif pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        kind = "integer" if pa.types.is_integer(type_) else "float"
        values = np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan), np.float64)
        null = null | np.isnan(values)
    elif is_text(type_):
        texts = column.to_pandas().fillna("").astype(str).str.strip()
        kind = "text"
        values = pd.to_numeric(texts.replace("", None), errors="coerce").to_numpy(np.float64)
        null = null | (texts == "").to_numpy(np.bool_)
    else:
        kind, values = "other", np.full(len(column), np.nan)
    return Numbers(kind, type_, values, null)
