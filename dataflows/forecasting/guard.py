"""Keeps a model that fails from stopping the run or spoiling the other models.

A model fails if it raises, or predicts what no count of rides can be. For that hour its prediction
is the seasonal mean, and its state goes back to what it was before the last hour that it learned.
That depends on the data alone, so a restart or an offline replay finds the same failures.
"""

import copy
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dataflows.forecasting.features import SEASONAL_MEAN, Features
from dataflows.forecasting.forecasters.base import Forecaster
from rushhour.core.arrays import Counts, Floats
from rushhour.core.hours import hour_label
from rushhour.core.models import DECIMALS
from rushhour.core.zones import ZONE_COUNT

# No zone has as many rides in an hour. Below it, no sum or square of predictions can overflow.
MAX_RIDES = 1e12
_LOG_EVERY_S = 60.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelFailure:
    """A failure of a model in the hour that starts at `hour_ts` (epoch ms), and its reason."""

    model: str
    hour_ts: int
    reason: str


class GuardedForecasters:
    """Forecasters that predict and learn one after the other, none of which can raise.

    Parameters
    ----------
    forecasters
        One may read the state of those before it, and hold a reference to them.
    may_be_unknown
        Whether NaN is a valid prediction.
    """

    def __init__(self, forecasters: Sequence[Forecaster], *, may_be_unknown: bool = False) -> None:
        self._forecasters = tuple(forecasters)
        self._may_be_unknown = may_be_unknown
        # The state of each before the last hour that it learned, until it has predicted the next.
        self._before: dict[str, Forecaster] = {}

    def __iter__(self) -> Iterator[Forecaster]:
        """Iterate over the forecasters."""
        return iter(self._forecasters)

    def predict(self, hour_ts: int, x: Features, failures: list[ModelFailure]) -> dict[str, Floats]:
        """Return the predictions of each, by its name; append the failures to `failures`."""
        found = {}
        for forecaster in self:
            failed = len(failures)
            found[forecaster.name] = prediction_or_mean(
                forecaster.name,
                hour_ts,
                x,
                lambda forecaster=forecaster: forecaster.predict_many(x),  # type: ignore[misc]
                failures,
                may_be_unknown=self._may_be_unknown,
            )
            if len(failures) > failed:
                self._go_back(forecaster)
        self._before = {}
        return found

    def learn(self, hour_ts: int, x: Features, rides: Counts, failures: list[ModelFailure]) -> None:
        """Let each learn an hour; append the failures to `failures`."""
        for forecaster in self:
            others = {id(other): other for other in self if other is not forecaster}
            self._before[forecaster.name] = copy.deepcopy(forecaster, dict(others))
            try:
                forecaster.learn_many(x, rides)
            except (MemoryError, OSError):
                raise
            except Exception as error:  # a model may raise anything
                failures.append(ModelFailure(forecaster.name, hour_ts, _raised("learn", error)))
                self._go_back(forecaster)

    def _go_back(self, forecaster: Forecaster) -> None:
        """Restore the state in place, because other forecasters may hold a reference."""
        before = self._before.pop(forecaster.name, None)
        if before is not None:
            vars(forecaster).clear()
            vars(forecaster).update(vars(before))


def prediction_or_mean(
    model: str,
    hour_ts: int,
    x: Features,
    predict: Callable[[], Floats],
    failures: list[ModelFailure],
    *,
    may_be_unknown: bool = False,
) -> Floats:
    """Return a model's prediction, `float64[zones]`, rounded; if it fails, the seasonal mean.

    What depends on the machine (memory, files) is raised: another try may give another result.
    """
    try:
        values = _rounded(np.asarray(predict(), np.float64))
        reason = _fault(values, may_be_unknown=may_be_unknown)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # a model may raise anything
        reason = _raised("predict", error)
    if not reason:
        return values
    failures.append(ModelFailure(model, hour_ts, reason))
    return seasonal_mean(x)


def seasonal_mean(x: Features) -> Floats:
    """Return what stands in for a prediction: the mean of the same hour in past weeks.

    Before the first week is over it is that of past days, then the last hour; it is always known.
    """
    return _rounded(np.square(x[SEASONAL_MEAN]))


def _rounded(values: Floats) -> Floats:
    with np.errstate(over="ignore"):  # what overflows is not valid either way
        return np.round(values, DECIMALS) + 0.0  # without negative zeros


def _fault(values: Floats, *, may_be_unknown: bool) -> str:
    """Return what is wrong with a prediction; empty if nothing."""
    if values.shape != (ZONE_COUNT,):
        return f"predicted an array of shape {values.shape}"
    valid = (values >= 0.0) & (values <= MAX_RIDES)
    if may_be_unknown:
        valid |= np.isnan(values)
    if valid.all():
        return ""
    return f"predicted {values[~valid][0]:g} in {int((~valid).sum())} zones"


def _raised(what: str, error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{what} raised {type(error).__name__}{f': {text}' if text else ''}"


class FailureLog:
    """Logs failures of models: the first of each model, and then one line a minute at most."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._silent: dict[str, int] = {}

    def add(self, failures: Iterable[ModelFailure]) -> None:
        """Log failures."""
        for failure in failures:
            model, now = failure.model, time.monotonic()
            if now < self._next.get(model, now):
                self._silent[model] = self._silent.get(model, 0) + 1
                continue
            self._next[model] = now + _LOG_EVERY_S
            silent = self._silent.pop(model, 0)
            _log.warning(
                "model %s failed in hour %s: %s; the seasonal mean stands in%s",
                model,
                hour_label(failure.hour_ts),
                failure.reason,
                f" ({silent} more since the last line)" if silent else "",
            )
