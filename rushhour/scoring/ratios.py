"""Division and means over whatever is known: NaN where nothing is."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rushhour.core.arrays import Floats


def ratio(top: npt.NDArray[Any], bottom: npt.NDArray[Any]) -> Floats:
    """Divide element by element; NaN where `bottom` is not positive.

    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    out: Floats = np.full(np.shape(top), np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out


def mean_known(values: Floats) -> float:
    """Return the mean of all values that are not NaN; NaN if there are none.

    >>> mean_known(np.array([1.0, np.nan, 2.0]))
    1.5
    """
    known = values[~np.isnan(values)]
    return float(known.sum() / known.size) if known.size else float("nan")
