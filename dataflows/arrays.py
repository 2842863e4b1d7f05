"""Arrays of one figure a zone, or a row of them an hour: their types have one place."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
