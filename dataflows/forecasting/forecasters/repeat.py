"""Baselines: what anybody could predict without a model."""

import numpy as np
import pandas as pd

from rushhour.core.arrays import Counts, Floats


class Repeat:
    """A baseline that repeats one past hour: it has nothing to learn."""

    def __init__(self, name: str, column: str) -> None:
        self.name = name
        self._column = column

    def predict_many(self, x: pd.DataFrame) -> Floats:
        """Return the rides of that past hour; NaN while there is none."""
        return x[self._column].to_numpy(np.float64)

    def learn_many(self, x: pd.DataFrame, rides: Counts) -> None:
        """Do nothing: the features already hold the past."""
