"""What the monitoring page shows of a window of hours, from the sums of each hour. Pure NumPy."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rushhour.core.arrays import Floats
from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY
from rushhour.core.models import DECIMALS, NOMINAL_COVERAGE
from rushhour.core.zones import ZONE_COUNT, zones
from rushhour.scoring.bands import BANDS
from rushhour.scoring.errors import ErrorSums
from rushhour.scoring.ratios import ratio
from rushhour.simulator.web.monitoring.hour_scores import HourScores

ROLLING_HOURS = HOURS_PER_DAY
WORST_ZONES = 10

Sums = Mapping[int, ErrorSums]  # start of an hour (epoch ms) -> sums over all zones
Number = float | None


def window_scores(hours: Sequence[HourScores]) -> dict[str, Any]:
    """Return the scores of the served model over hours: in all, by hour of day, borough, zone.

    Errors are in rides per hour and zone; None where there is no pair.
    """
    if not hours:
        return {"served": None, "by_hour_of_day": [], "by_borough": [], "worst_zones": [],
                "bands": []}  # fmt: skip
    by_hour = _stack([hour.served.sum() for hour in hours])
    by_zone = _stack([hour.served for hour in hours]).sum(axis=0)
    rides = np.nansum([hour.rides for hour in hours], axis=0)
    total = by_hour.sum()
    covered = np.sum([hour.covered for hour in hours], axis=0)
    banded = np.sum([hour.banded for hour in hours], axis=0)
    return {
        "served": {
            "mae": _number(total.mae),
            "bias": _number(total.bias),
            "wape": _number(total.wape(rides.sum())),
            "skill": _number(total.skill),
            "coverage": _number(ratio(covered.sum(), banded.sum())),
            "nominal_coverage": NOMINAL_COVERAGE,
        },
        "by_hour_of_day": _by_hour_of_day(by_hour, [hour.hour_ts for hour in hours]),
        "by_borough": _by_borough(by_zone, rides, len(hours)),
        "worst_zones": _worst_zones(by_zone, rides, len(hours)),
        "bands": [
            {"band": band, "pairs": int(pairs), "coverage": _number(share)}
            for band, pairs, share in zip(BANDS, banded, ratio(covered, banded), strict=True)
        ],
    }


def zone_scores(hours: Sequence[HourScores]) -> dict[str, list[Number]]:
    """Return rides per hour, MAE and bias of each zone over hours, one value per zone, by id."""
    if not hours:
        return {name: [None] * ZONE_COUNT for name in ("rides", "mae", "bias")}
    sums = _stack([hour.served for hour in hours]).sum(axis=0)
    rides = np.nansum([hour.rides for hour in hours], axis=0) / len(hours)
    columns = {"rides": rides, "mae": sums.mae, "bias": sums.bias}
    return {name: list(map(_number, column)) for name, column in columns.items()}


def model_scores(by_hour: Sums, window: range) -> dict[str, Any]:
    """Return a model's scores over a window of hours, and its rolling MAE at each of them.

    The rolling MAE of an hour is over the 24 hours that end with it, as `mae_24h` in Redis.
    """
    first = window.start - (ROLLING_HOURS - 1) * HOUR_MS
    known = [by_hour.get(hour) for hour in range(first, window.stop, HOUR_MS)]
    absolute = _rolling([0.0 if each is None else float(each.absolute) for each in known])
    pairs = _rolling([0.0 if each is None else float(each.pairs) for each in known])
    rolling = ratio(absolute, pairs) if len(window) else np.empty(0)
    inside = [by_hour[hour] for hour in window if hour in by_hour]
    total = _stack(inside).sum() if inside else None
    return {
        "rolling_mae": list(map(_number, rolling)),
        "mae": None if total is None else _number(total.mae),
        "skill": None if total is None else _number(total.skill),
        "pairs": 0 if total is None else int(total.pairs),
    }


def _rolling(values: list[float]) -> Floats:
    """Return the sums of each value and those before it, over the hours of the rolling MAE."""
    return np.convolve(values, np.ones(ROLLING_HOURS), "valid")


def _by_hour_of_day(sums: ErrorSums, hours: Sequence[int]) -> list[Number]:
    of_day = (np.array(hours) // HOUR_MS) % HOURS_PER_DAY
    return [_number(sums.rows(of_day == hour).sum().mae) for hour in range(HOURS_PER_DAY)]


def _by_borough(by_zone: ErrorSums, rides: Floats, hours: int) -> list[dict[str, Any]]:
    """Return the boroughs, the one with the most rides first."""
    boroughs = np.array([zone.borough for zone in zones()], dtype=object)
    found = []
    for borough in dict.fromkeys(boroughs):
        inside = boroughs == borough
        total, borough_rides = by_zone.rows(inside).sum(), rides[inside].sum()
        found.append(
            {
                "borough": borough,
                "zones": int(inside.sum()),
                "rides_per_hour": _number(borough_rides / hours),
                "mae": _number(total.mae),
                "wape": _number(total.wape(borough_rides)),
            }
        )
    return sorted(found, key=lambda row: -(row["rides_per_hour"] or 0.0))


def _worst_zones(by_zone: ErrorSums, rides: Floats, hours: int) -> list[dict[str, Any]]:
    mae = np.nan_to_num(by_zone.mae, nan=-1.0)
    worst = np.lexsort((np.arange(ZONE_COUNT), -mae))[:WORST_ZONES]
    return [
        {
            "zone": zones()[i].id,
            "name": zones()[i].name,
            "borough": zones()[i].borough,
            "mae": _number(by_zone.mae[i]),
            "bias": _number(by_zone.bias[i]),
            "rides_per_hour": _number(rides[i] / hours),
        }
        for i in worst
        if by_zone.pairs[i]
    ]


def _stack(sums: Iterable[ErrorSums]) -> ErrorSums:
    rows = [each.terms() for each in sums]
    return ErrorSums(*(np.stack(term) for term in zip(*rows, strict=True)))


def _number(value: Any) -> Number:
    number = round(float(value), DECIMALS)
    return None if np.isnan(number) else number
