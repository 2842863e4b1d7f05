"""The Page-Hinkley test of many series at once."""

import numpy as np

from rushhour.core.arrays import Floats, ZoneMask


class PageHinkleyMany:
    """As many detectors `PageHinkley(delta, threshold, alpha=1.0)` of River, as arrays.

    A detector of each series would take longer, value by value in Python, than most models do. The
    operations on a value are River's, in the same order, so the digits are the same.

    Parameters
    ----------
    series
        Number of series.
    delta
        Shift of the mean that is not drift.
    threshold
        Sum of shifts above which a detector fires.
    """

    _MIN_INSTANCES = 30

    def __init__(self, series: int, *, delta: float, threshold: float) -> None:
        self._delta = delta
        self._threshold = threshold
        self._values = np.zeros(series)  # how many since the detector last fired
        self._mean = np.zeros(series)
        self._increase = np.zeros(series)
        self._decrease = np.zeros(series)
        self._min_increase = np.zeros(series)
        self._max_decrease = np.zeros(series)
        self._start_over(np.ones(series, np.bool_))

    def update(self, values: Floats) -> ZoneMask:
        """Learn a value of each series; return which detectors fire, and let these start over."""
        self._values += 1.0
        self._mean += (1.0 / self._values) * (values - self._mean)
        deviation = values - self._mean
        self._increase = self._increase + deviation - self._delta
        self._decrease = self._decrease + deviation + self._delta
        self._min_increase = np.minimum(self._min_increase, self._increase)
        self._max_decrease = np.maximum(self._max_decrease, self._decrease)
        fired: ZoneMask = (self._values >= self._MIN_INSTANCES) & (
            (self._increase - self._min_increase > self._threshold)
            | (self._max_decrease - self._decrease > self._threshold)
        )
        if fired.any():
            self._start_over(fired)
        return fired

    def _start_over(self, of: ZoneMask) -> None:
        for zeros in (self._values, self._mean, self._increase, self._decrease):
            zeros[of] = 0.0
        self._min_increase[of] = np.inf
        self._max_decrease[of] = -1.0  # as in River, where it is not minus infinity
