"""The served model: the learning forecasters, weighted in each zone by their accuracy."""

import numpy as np

from rushhour.core.arrays import Counts, Floats
from rushhour.core.zones import ZONE_COUNT


class Mixture:
    """A weighted mean of several forecasters, with weights for each zone.

    The loss of a forecaster is its mean absolute error with a forgetting factor of 0.99 per hour.
    Its weight is proportional to exp(-5 * loss / mean loss of all): a forecaster that is 10 % worse
    than the others has about three fifths of their weight (exponentially weighted average
    forecaster: Cesa-Bianchi and Lugosi, "Prediction, Learning, and Games", chapter 2).

    Parameters
    ----------
    forecasters
        Number of forecasters.
    """

    _FORGETTING_FACTOR = 0.99  # per hour
    _LEARNING_RATE = 5.0

    def __init__(self, forecasters: int) -> None:
        self._losses = np.zeros((forecasters, ZONE_COUNT))
        self._hours = 0.0

    def weights(self) -> Floats:
        """Return the weights, `float64[forecasters, zones]`, which sum to 1 in each zone."""
        mean = self._losses.mean(axis=0)
        excess = self._losses - self._losses.min(axis=0)
        relative = np.divide(excess, mean, out=np.zeros_like(excess), where=mean > 0)
        weights: Floats = np.exp(-self._LEARNING_RATE * relative)
        weights /= weights.sum(axis=0)
        return weights

    def predict(self, forecasts: Floats) -> Floats:
        """Return the weighted mean of `forecasts`, `float64[forecasters, zones]`, per zone."""
        mixed: Floats = (self.weights() * forecasts).sum(axis=0)
        return mixed

    def update(self, rides: Counts, forecasts: Floats) -> None:
        """Update the losses with the rides of an hour and the forecasts that were made for it."""
        self._hours = self._FORGETTING_FACTOR * self._hours + 1.0
        self._losses += (np.abs(forecasts - rides) - self._losses) / self._hours
