"""Drift: zones whose rides have moved away from what is predicted for them."""

import numpy as np
from river import drift

from rushhour.core.arrays import Counts, Floats
from rushhour.core.hours import HOURS_PER_DAY
from rushhour.core.zones import ZONE_COUNT


class DriftDetector:
    """A Page-Hinkley detector of River for each zone, on the stream of its errors.

    An error is sqrt(rides + 3/8) - sqrt(prediction + 3/8), by its usual size in that zone, so that
    one threshold fits all zones. A single wild hour is cut off, for it is no drift. A detector that
    fires starts over, and stays silent for 30 hours. The errors of the first day are left out, in
    which the models begin from nothing.
    """

    _THRESHOLD = 8.0
    _TOLERATED = 0.5  # a shift of the mean by this much, in usual errors, is none
    _LARGEST = 4.0
    _SIZE_KEPT_PER_HOUR = 0.99
    _FIRST_SIZE = 0.5  # of a Poisson count's square root
    _LEAST_SIZE = 0.3
    _CHANGE_HOURS = 6
    _FIRST_HOURS = HOURS_PER_DAY

    def __init__(self) -> None:
        self._detectors = [
            drift.PageHinkley(delta=self._TOLERATED, threshold=self._THRESHOLD, alpha=1.0)
            for _ in range(ZONE_COUNT)
        ]
        self._hours = 0
        self._square = np.full(ZONE_COUNT, self._FIRST_SIZE**2)
        self._rides = np.zeros((self._CHANGE_HOURS, ZONE_COUNT))
        self._predicted = np.zeros((self._CHANGE_HOURS, ZONE_COUNT))

    def learn(self, predicted: Floats, rides: Counts) -> Floats:
        """Take in one hour; return how much the zones have changed whose detector fires.

        That is rides by predicted rides over the last six hours, minus 1; NaN for all others.
        """
        self._rides = np.vstack((self._rides[1:], rides))
        self._predicted = np.vstack((self._predicted[1:], predicted))
        change: Floats = np.full(ZONE_COUNT, np.nan)
        self._hours += 1
        if self._hours <= self._FIRST_HOURS:
            return change
        fired = np.array(self._update(self._relative_errors(predicted, rides)))
        change[fired] = self._rides.sum(axis=0)[fired] / self._predicted.sum(axis=0)[fired] - 1.0
        return change

    def _update(self, errors: Floats) -> list[bool]:
        fired = []
        for detector, error in zip(self._detectors, errors.tolist(), strict=True):
            detector.update(error)  # type: ignore[no-untyped-call]
            fired.append(detector.drift_detected)
        return fired

    def _relative_errors(self, predicted: Floats, rides: Counts) -> Floats:
        error = np.sqrt(rides + 0.375) - np.sqrt(predicted + 0.375)
        size = np.maximum(np.sqrt(self._square), self._LEAST_SIZE)
        relative: Floats = np.clip(error / size, -self._LARGEST, self._LARGEST)
        kept = self._SIZE_KEPT_PER_HOUR
        self._square = kept * self._square + (1.0 - kept) * np.square(relative * size)
        return relative
