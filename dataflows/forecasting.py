"""Log and wait: learn from the features logged with the last prediction, then predict.

The prequential rule of River's `evaluate.progressive_val_score` with a delay of one hour:
a model sees an hour's rides only after its prediction for that hour is on record.
"""

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.events import HourlyRides, Prediction
from core.hours import HOUR_MS, to_datetime
from core.models import DECIMALS
from core.zones import ZONE_IDS
from dataflows.counting import CityHour
from dataflows.features import RideHistory
from dataflows.forecasters import forecasters


@dataclass(frozen=True, slots=True)
class HourForecast:
    """What each model says of one hour, before it begins: rides of all zones by model name.

    The first model is the served one. NaN means that the model has no past to speak from.
    """

    hour_ts: int
    by_model: dict[str, npt.NDArray[np.float64]]

    def events(self) -> list[Prediction]:
        """Return one event per zone."""
        served, *others = self.by_model
        hour = to_datetime(self.hour_ts)
        columns = {name: _nan_to_none(self.by_model[name]) for name in others}
        return [
            Prediction(
                zone,
                hour,
                self.hour_ts,
                predicted,
                served,
                {name: column[i] for name, column in columns.items()},
            )
            for i, (zone, predicted) in enumerate(
                zip(ZONE_IDS, self.by_model[served].tolist(), strict=True)
            )
        ]


class HourlyForecasting:
    """Turns closed hours into forecasts of the hour after, one at a time, in order."""

    def __init__(self) -> None:
        self._history = RideHistory()
        self._forecasters = forecasters()
        self._logged: pd.DataFrame | None = None

    def update(self, hour: CityHour) -> HourForecast:
        """Learn the closed hour, if one is, and forecast the next."""
        next_ts = hour.hour_ts
        if hour.rides is not None:
            next_ts += HOUR_MS
            if self._logged is not None:
                for forecaster in self._forecasters:
                    forecaster.learn_many(self._logged, hour.rides)
            self._history.append(hour.rides)
        x = self._history.features(next_ts)
        self._logged = x
        return HourForecast(
            next_ts,
            {f.name: np.round(f.predict_many(x), DECIMALS) for f in self._forecasters},
        )

    def snapshot(self) -> "HourlyForecasting":
        """Return a copy of the state that later updates do not touch."""
        return copy.deepcopy(self)


def rides_events(hour: CityHour) -> list[HourlyRides]:
    """Return one event per zone of a closed hour; none for an opening."""
    if hour.rides is None:
        return []
    return [
        HourlyRides.of(zone, hour.hour_ts, rides)
        for zone, rides in zip(ZONE_IDS, hour.rides.tolist(), strict=True)
    ]


def _nan_to_none(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124
