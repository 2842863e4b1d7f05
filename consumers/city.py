"""Hours of the whole city: an hour is closed for the city once every partition has closed it.

Consumers share the partitions, so whichever of them finds that every partition has closed an hour
closes it for the city: with what it has written itself, and with what it reads of the others'.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from consumers.city_scores import CityScores
from consumers.horizon_scores import HorizonScores
from consumers.pending import HourUpdate
from consumers.rolling import COVERAGE
from rushhour.core import keys
from rushhour.core.events import direction_of
from rushhour.core.hours import HOUR_MS, hour_label
from rushhour.core.run import RunInfo
from rushhour.core.zones import ZONE_COUNT
from rushhour.scoring.coverage import is_covered
from rushhour.scoring.errors import ErrorSums
from rushhour.scoring.ratios import mean_known
from rushhour.storage.columns import rounded, rows, to_values
from rushhour.storage.hour_tables import HourTables

Fields = dict[str, Any]


@dataclass
class Totals:
    """Counts since the first hour of a run; a pair is a zone and hour with a prediction."""

    hours: int = 0
    pairs: int = 0
    rides: int = 0
    alerts: int = 0

    def update(self, hour: HourTables) -> None:
        """Add a closed hour."""
        self.hours += 1
        self.pairs += int((~np.isnan(hour.forecast.median)).sum())
        self.rides += int(hour.rides.sum())
        self.alerts += int((~np.isnan(hour.alerts)).sum())

    def to_fields(self) -> Fields:
        """Return the totals as the fields of `quality`."""
        due = self.hours * ZONE_COUNT
        return {
            "hours_closed": self.hours,
            "rides": self.rides,
            "pairs_due": due,
            "pairs_scored": self.pairs,
            "overlap": rounded(self.pairs / due),
            "alerts": self.alerts,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "Totals":
        """Return the totals that `to_fields` has written; zeros before the first hour."""
        names = ("hours_closed", "pairs_scored", "rides", "alerts")
        return cls(*(int(fields.get(name, 0)) for name in names))


@dataclass(frozen=True, slots=True)
class CityUpdate:
    """What Redis gets when hours are closed for the city, up to `last_hour` (epoch ms)."""

    last_hour: int
    hourly: dict[str, Fields]  # entries of `city:hourly`, by id
    alerts: dict[str, Fields]  # entries of `alerts`, by id
    models: dict[str, Fields]
    horizons: dict[int, Fields]  # of forecasts further ahead
    coverage: Fields
    city: Fields
    quality: Fields


class City:
    """Closes hours for the city, in order, and scores them.

    Parameters
    ----------
    run
        The run, for its models and horizons.
    partitions
        How many partitions have to close each hour.
    next_hour
        The first hour that is not closed for the city (epoch ms).
    scores, horizon_scores, totals
        Those of the hours before `next_hour`.
    """

    def __init__(
        self,
        run: RunInfo,
        partitions: int,
        next_hour: int,
        scores: CityScores,
        horizon_scores: HorizonScores,
        totals: Totals,
    ) -> None:
        self._run = run
        self._partitions = partitions
        self._next_hour = next_hour
        self._scores = scores
        self._horizon_scores = horizon_scores
        self._totals = totals
        self._open: dict[int, HourTables] = {}

    def note(self, updates: Iterable[HourUpdate]) -> None:
        """Remember what this consumer has written, so that it need not be read back."""
        for update in updates:
            self._at(update.forecast_ts).put_forecast(update.forecast, update.zones)
            for horizon, ahead in update.forecast.ahead.items():
                self._at(ahead.hour_ts).put_ahead(horizon, ahead, update.zones)
            if update.closed is not None:
                self._at(update.closed.hour_ts).put(update.closed, update.zones)

    def due(self, closed: Mapping[int, int]) -> range:
        """Return the hours to close, given the last hour that each partition has closed."""
        last = min(closed.values()) if len(closed) == self._partitions else self._next_hour - 1
        return range(self._next_hour, last + 1, HOUR_MS)

    def unknown(self, due: range) -> list[int]:
        """Return the hours to read before `due` can be closed: other consumers have written them.

        Closing also needs the forecast for the hour after the last one.
        """
        following = due[-1] + HOUR_MS
        return [
            *(hour for hour in due if not self._knows(hour)),
            *([] if self._predicts(following) else [following]),
        ]

    def close(self, due: range, read: Mapping[int, HourTables]) -> CityUpdate:
        """Close the hours `due`; `read` has the tables of those that `unknown` names."""
        hours: list[HourTables] = []
        for hour in due:
            noted = self._open.pop(hour, None)
            hours.append(read[hour] if hour in read or noted is None else noted)
        for tables in hours:
            self._scores.update(tables)
            self._horizon_scores.update(tables)
            self._totals.update(tables)
        last = due[-1]
        self._next_hour = following = last + HOUR_MS
        upcoming = read[following] if following in read else self._open[following]
        hourly = {f"{tables.hour_ts}-0": _entry(tables) for tables in hours}
        return CityUpdate(
            last_hour=last,
            hourly=hourly,
            alerts={at: alert for tables in hours for at, alert in _alerts(tables)},
            models={
                name: {"hour": hour_label(last)} | fields
                for name, fields in self._scores.fields(last).items()
            },
            horizons={
                horizon: {"hour": hour_label(last)} | fields
                for horizon, fields in self._horizon_scores.fields(last).items()
            },
            coverage=self._scores.band_fields(),
            city=hourly[f"{last}-0"]
            | {
                "rides_so_far": self._totals.rides,
                "next_hour": hour_label(following),
                "next_prediction": rounded(float(upcoming.forecast.mean.sum())),
            },
            quality=self._totals.to_fields(),
        )

    def _at(self, hour: int) -> HourTables:
        if hour not in self._open:
            run = self._run
            self._open[hour] = HourTables.empty(hour, run.models, run.horizons_ahead)
        return self._open[hour]

    def _knows(self, hour: int) -> bool:
        return (
            self._predicts(hour)
            and self._open[hour].is_closed()
            and not any(
                np.isnan(self._open[hour].ahead[horizon].median).any()
                for horizon in self._run.horizons_ahead
                if self._run.is_forecast_ahead(hour, horizon)
            )
        )

    def _predicts(self, hour: int) -> bool:
        return hour in self._open and self._open[hour].is_forecast()


def _entry(hour: HourTables) -> Fields:
    forecast = hour.forecast
    sums = ErrorSums.of(hour.rides, forecast.median, forecast.mean).sum()
    coverage = mean_known(is_covered(hour.rides, forecast.lower, forecast.upper))
    return {
        "hour": hour_label(hour.hour_ts),
        "rides": int(hour.rides.sum()),
        "prediction": rounded(float(forecast.mean.sum())),
        "error": rounded(float(sums.errors)),
        "mae": rounded(float(sums.mae)),
        COVERAGE: keys.NOT_KNOWN if np.isnan(coverage) else rounded(coverage),
    }


def _alerts(hour: HourTables) -> Iterator[tuple[str, Fields]]:
    """Yield id and fields of the alerts of an hour, by zone.

    Ids rise with hour and zone, as Redis requires; it refuses a second entry with the same id.
    """
    label = hour_label(hour.hour_ts)
    for zone, change in rows(to_values(hour.alerts), ~np.isnan(hour.alerts)):
        yield (
            f"{hour.hour_ts}-{zone}",
            {
                "zone": zone,
                "hour": label,
                "direction": direction_of(change),
                "relative_change": change,
            },
        )
