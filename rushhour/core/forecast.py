"""A forecast: what each model predicts for all zones, before the hour begins."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rushhour.core.arrays import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Predicted rides of one hour, or of consecutive hours.

    The hour (or the first of the hours) starts at `hour_ts`, epoch milliseconds. All arrays have
    the same shape: `float64[zones]`, or `float64[hours, zones]`. `by_model` has the served model
    first. That one predicts twice: the median of the rides in `by_model`, and their expected number
    in `mean`. The median lies in the interval, `lower` to `upper`, both included; the expected
    number may lie outside. Other models have one prediction, which stands for both. NaN means
    unknown: a model without enough history, or an hour that is not written yet.

    `ahead` are the forecasts of later hours that were made at the same time, of the served model
    only: that of horizon h is of the hour that starts h - 1 hours after `hour_ts`.
    """

    hour_ts: int
    by_model: dict[str, Floats]
    mean: Floats
    lower: Floats
    upper: Floats
    ahead: Mapping[int, "Forecast"] = field(default_factory=dict)

    @property
    def served_model(self) -> str:
        """Name of the served model."""
        return next(iter(self.by_model))

    @property
    def median(self) -> Floats:
        """The median of the rides, as the served model predicts it."""
        return self.by_model[self.served_model]

    def mean_of(self, model: str) -> Floats:
        """Return the expected number of rides, as a model predicts it."""
        return self.mean if model == self.served_model else self.by_model[model]
