"""Baselines: forecasts without a model."""

from dataflows.forecasting.features import Features
from rushhour.core.arrays import Counts, Floats


class Repeat:
    """A baseline that predicts the rides of one past hour.

    Parameters
    ----------
    name
        Name of the model.
    column
        The feature that holds the rides of that hour.
    """

    def __init__(self, name: str, column: str) -> None:
        self.name = name
        self._column = column

    def predict_many(self, x: Features) -> Floats:
        """Return the rides of the past hour; NaN where the history does not reach back to it."""
        return x[self._column]

    def learn_many(self, x: Features, rides: Counts) -> None:
        """Do nothing: the features already hold the past."""
