"""A forecast: what each model predicts for all zones, before the hour begins."""

from dataclasses import dataclass

from rushhour.core.arrays import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Predicted rides of one hour, or of consecutive hours.

    The hour (or the first of the hours) starts at `hour_ts`, epoch milliseconds. All arrays have
    the same shape: `float64[zones]`, or `float64[hours, zones]`. `by_model` has the served model
    first; `lower` and `upper` are the ends of its interval, both included. NaN means unknown: a
    model without enough history, or an hour that is not written yet.
    """

    hour_ts: int
    by_model: dict[str, Floats]
    lower: Floats
    upper: Floats

    @property
    def served_model(self) -> str:
        """Name of the served model."""
        return next(iter(self.by_model))

    @property
    def served(self) -> Floats:
        """Predictions of the served model."""
        return self.by_model[self.served_model]
