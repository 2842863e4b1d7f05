"""What is served: the forecasters that learn, mixed for each zone by how well they did."""

import numpy as np

from rushhour.core.arrays import Counts, Floats
from rushhour.core.zones import ZONE_COUNT


class Mixture:
    """Weights of several forecasts in each zone, by their losses of the past hours.

    A loss is a mean absolute error that keeps 99 % an hour. The weight of a forecaster is
    exp(-10 * loss / mean loss of all): one that is 10 % worse than its peers weighs about a third
    of them (exponentially weighted average forecaster: Cesa-Bianchi and Lugosi, "Prediction,
    Learning, and Games", chapter 2).
    """

    _KEPT_PER_HOUR = 0.99
    _SHARPNESS = 10.0

    def __init__(self, forecasters: int) -> None:
        self._losses = np.zeros((forecasters, ZONE_COUNT))
        self._hours = 0.0

    def weights(self) -> Floats:
        """Return the weights, `float64[forecasters, ZONE_COUNT]`; they add up to 1 in each zone."""
        mean = self._losses.mean(axis=0)
        behind = self._losses - self._losses.min(axis=0)
        relative = np.divide(behind, mean, out=np.zeros_like(behind), where=mean > 0)
        weights: Floats = np.exp(-self._SHARPNESS * relative)
        weights /= weights.sum(axis=0)
        return weights

    def predict(self, forecasts: Floats) -> Floats:
        """Return the mixture of forecasts, `float64[forecasters, ZONE_COUNT]`, for every zone."""
        mixed: Floats = (self.weights() * forecasts).sum(axis=0)
        return mixed

    def learn(self, forecasts: Floats, rides: Counts) -> None:
        """Take in how far off the forecasts for one hour were."""
        self._hours = self._KEPT_PER_HOUR * self._hours + 1.0
        self._losses += (np.abs(forecasts - rides) - self._losses) / self._hours
