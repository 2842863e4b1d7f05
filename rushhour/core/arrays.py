"""Types of arrays over zones: column `i` is zone `i + 1`."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.integer[Any]]
ZoneMask = Mask  # one flag for each zone
