"""One closed hour, reduced to the sums that any window of hours is scored from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rushhour.core.arrays import Floats
from rushhour.core.models import REFERENCE
from rushhour.scoring.bands import sum_by_band
from rushhour.scoring.coverage import is_covered
from rushhour.scoring.errors import ErrorSums
from rushhour.storage.hour_tables import HourTables


@dataclass(frozen=True, slots=True, eq=False)
class HourScores:
    """The sums of one hour.

    `by_model` has those of each model over all zones; `served` those of the served model, of each
    zone (`float64[zones]`). `rides` is `float64[zones]`, NaN where unknown. `covered` and `banded`
    are the pairs of the served model in each demand band whose rides are within their interval,
    and all that have one: `float64[bands]`.
    """

    hour_ts: int
    by_model: Mapping[str, ErrorSums]
    served: ErrorSums
    rides: Floats
    covered: Floats
    banded: Floats


def score_hour(tables: HourTables) -> HourScores:
    """Return the sums of an hour."""
    forecast, rides = tables.forecast, tables.rides
    served = zone_sums(tables, forecast.median, forecast.mean)
    covered = is_covered(rides, forecast.lower, forecast.upper)
    return HourScores(
        hour_ts=tables.hour_ts,
        by_model={
            name: zone_sums(tables, predicted, forecast.mean_of(name)).sum()
            for name, predicted in forecast.by_model.items()
        },
        served=served,
        rides=rides,
        covered=sum_by_band(covered == 1, forecast.mean),
        banded=sum_by_band(~np.isnan(covered), forecast.mean),
    )


def zone_sums(tables: HourTables, median: Floats, mean: Floats) -> ErrorSums:
    """Return the sums of each zone for some predictions of the hour (`float64[zones]`)."""
    return ErrorSums.of(tables.rides, median, mean, tables.forecast.by_model.get(REFERENCE))
