"""What the tables of a run must hold, from a recount of its trips and an offline replay."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rushhour.core import keys
from rushhour.core.arrays import Counts, Floats
from rushhour.core.forecast import Forecast
from rushhour.core.horizons import NEXT_HOUR
from rushhour.core.hours import HOUR_MS, hour_label
from rushhour.core.run import RunInfo
from rushhour.core.zones import ZONE_IDS
from rushhour.simulator.evaluation.offline import Replayed
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.storage.columns import to_counts, to_values
from rushhour.storage.read_hours import prediction_key

_FIELDS = tuple(map(str, ZONE_IDS))
Hash = dict[str, str]
ERRORS = "errors"


@dataclass(frozen=True, slots=True)
class Table:
    """A hash zone -> value of one hour; `kind` names what it holds. Empty if it must not exist."""

    kind: str
    hour_ts: int
    key: str
    fields: Hash


def rides_table(run: RunInfo, index: int, rides: Counts) -> Table:
    """Return the table of the rides of an hour, given its index in the run."""
    hour = run.start_ts + index * HOUR_MS
    return Table("rides", hour, keys.rides(hour_label(hour)), counts(rides.astype(np.float64)))


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """A run as it must be."""

    run: RunInfo
    replayed: Replayed

    @property
    def arrays(self) -> RunArrays:
        """The hours that are closed and the one after: of that one, only the forecast counts."""
        return self.replayed.run

    def ahead_tables(self, index: int, made_by: int) -> Iterator[Table]:
        """Yield the tables of what was forecast for an hour further ahead.

        Parameters
        ----------
        made_by
            Index of the hour after the last closed one: later forecasts do not count.
        """
        hour = self.hour_ts(index)
        for horizon in self.run.horizons_ahead:
            if index - horizon + NEXT_HOUR > made_by:
                continue
            forecast = self.replayed.ahead(horizon, index)
            key = keys.ahead(horizon, hour_label(hour))
            yield Table(f"forecasts {horizon} h ahead", hour, key, _texts_ahead(forecast))

    def hour_ts(self, index: int) -> int:
        """Return the start of an hour (epoch ms), given its index in the run."""
        return self.run.start_ts + index * HOUR_MS

    def forecast_tables(self, index: int) -> Iterator[Table]:
        """Yield the tables of the forecast for an hour."""
        forecast, hour = self.arrays.forecast, self.hour_ts(index)
        label = hour_label(hour)
        yield Table("predictions", hour, keys.predictions(label), texts(forecast.mean[index]))
        for model, predicted in forecast.by_model.items():
            row = predicted[index]
            known = model == self.run.models[0] or not np.isnan(row).all()
            fields = texts(row) if known else {}
            kind = "medians" if model == self.run.models[0] else f"predictions of {model}"
            yield Table(kind, hour, prediction_key(self.run, model, label), fields)
        for kind, key, ends in (
            ("lower ends of intervals", keys.lower(label), forecast.lower),
            ("upper ends of intervals", keys.upper(label), forecast.upper),
        ):
            yield Table(kind, hour, key, texts(ends[index]))

    def closed_tables(self, index: int) -> Iterator[Table]:
        """Yield the tables of what follows from the rides of an hour and its forecast."""
        hour, label = self.hour_ts(index), hour_label(self.hour_ts(index))
        yield Table(ERRORS, hour, keys.errors(label), texts(self.errors(index)))
        alerts = texts(self.arrays.alerts[index])
        alerted = {zone: change for zone, change in alerts.items() if change != keys.NOT_KNOWN}
        yield Table("alerts", hour, keys.hour_alerts(label), alerted)

    def errors(self, index: int) -> Floats:
        """Return the expected numbers of rides, as predicted, minus the rides of an hour."""
        errors: Floats = self.arrays.forecast.mean[index] - self.arrays.rides[index]
        return errors


def texts(column: Floats) -> Hash:
    """Return figures of all zones as the hash that Redis holds."""
    return dict(zip(_FIELDS, map(str, to_values(column)), strict=True))


def _texts_ahead(forecast: Forecast | None) -> Hash:
    """Return a forecast further ahead as the hash that Redis holds; none if there is none."""
    if forecast is None:
        return {}
    columns = (forecast.mean, forecast.median, forecast.lower, forecast.upper)
    rows = zip(*(map(str, to_values(column)) for column in columns), strict=True)
    return dict(zip(_FIELDS, map(",".join, rows), strict=True))


def counts(column: Floats) -> Hash:
    """Return counts of all zones as the hash that Redis holds."""
    return dict(zip(_FIELDS, map(str, to_counts(column)), strict=True))
