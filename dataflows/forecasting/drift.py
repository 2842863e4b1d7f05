"""Drift: zones whose rides have moved away from their predictions."""

import numpy as np

from dataflows.forecasting.page_hinkley import PageHinkleyMany
from rushhour.core.arrays import Counts, Floats
from rushhour.core.hours import HOURS_PER_DAY
from rushhour.core.zones import ZONE_COUNT


class DriftDetector:
    """A Page-Hinkley detector for each zone, on the residuals of its predictions.

    A residual is sqrt(rides + 3/8) - sqrt(prediction + 3/8), divided by its usual size in that
    zone, so that one threshold fits all zones. Residuals are clipped, because a single extreme hour
    is not drift. A detector that fires starts over and stays silent for 30 hours. Residuals of the
    first day are ignored: the models have not learned enough by then.
    """

    _THRESHOLD = 8.0
    _TOLERANCE = 0.5  # shift of the mean, in usual residuals, that is not drift
    _CLIP = 4.0
    _SIZE_FORGETTING_FACTOR = 0.99  # per hour
    _INITIAL_SIZE = 0.5  # standard deviation of the square root of a Poisson count
    _MIN_SIZE = 0.3
    _CHANGE_HOURS = 6
    _WARM_UP_HOURS = HOURS_PER_DAY

    def __init__(self) -> None:
        self._detectors = PageHinkleyMany(
            ZONE_COUNT, delta=self._TOLERANCE, threshold=self._THRESHOLD
        )
        self._hours = 0
        self._mean_square = np.full(ZONE_COUNT, self._INITIAL_SIZE**2)
        self._rides = np.zeros((self._CHANGE_HOURS, ZONE_COUNT))
        self._predicted = np.zeros((self._CHANGE_HOURS, ZONE_COUNT))

    def update(self, rides: Counts, predicted: Floats) -> Floats:
        """Learn one hour; return the relative change of each zone whose detector fires.

        Parameters
        ----------
        rides, predicted
            Of one hour, each of shape `[zones]`.

        Returns
        -------
        Floats
            `float64[zones]`: rides of the last six hours divided by their predictions, minus 1;
            NaN for zones whose detector does not fire.
        """
        self._rides = np.vstack((self._rides[1:], rides))
        self._predicted = np.vstack((self._predicted[1:], predicted))
        change: Floats = np.full(ZONE_COUNT, np.nan)
        self._hours += 1
        if self._hours <= self._WARM_UP_HOURS:
            return change
        fired = self._detectors.update(self._scaled_residuals(rides, predicted))
        change[fired] = self._rides.sum(axis=0)[fired] / self._predicted.sum(axis=0)[fired] - 1.0
        return change

    def _scaled_residuals(self, rides: Counts, predicted: Floats) -> Floats:
        residual = np.sqrt(rides + 0.375) - np.sqrt(predicted + 0.375)
        size = np.maximum(np.sqrt(self._mean_square), self._MIN_SIZE)
        scaled: Floats = np.clip(residual / size, -self._CLIP, self._CLIP)
        factor = self._SIZE_FORGETTING_FACTOR
        self._mean_square = factor * self._mean_square + (1.0 - factor) * np.square(scaled * size)
        return scaled
