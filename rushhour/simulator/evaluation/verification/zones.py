"""The hash of each zone, and the boards of zones: their latest hours and rolling scores."""

from collections.abc import Iterator

import numpy as np

from rushhour.core import keys
from rushhour.core.hours import hour_label
from rushhour.core.zones import ZONE_IDS
from rushhour.core.zones import zones as all_zones
from rushhour.simulator.evaluation.verification.check import Check, Differences, Value
from rushhour.simulator.evaluation.verification.expected import Expected, counts, texts
from rushhour.simulator.evaluation.verification.scores import coverage_scores, error_scores
from rushhour.simulator.evaluation.verification.snapshot import Snapshot


def check_zones(snapshot: Snapshot, expected: Expected) -> Iterator[Check]:
    """Yield the checks of `zone:*` and of both boards.

    Partitions may have closed different hours, so each zone has its own last one.
    """
    zones, mae, rides = Differences(), Differences(), Differences()
    closed = snapshot.closed_by_zone()
    worst: dict[str, Value] = {}
    busiest: dict[str, Value] = {}
    for hours in np.unique(closed).tolist():
        shown = _fields(expected, hours)
        for zone in np.flatnonzero(closed == hours).tolist():
            fields = {name: values[zone] for name, values in shown.items()}
            key = keys.zone(ZONE_IDS[zone])
            zones.compare(key, fields, snapshot.zones[ZONE_IDS[zone]])
            if hours:
                busiest[str(ZONE_IDS[zone])] = float(fields["rides"])
                if fields["mae_24h"] == fields["mae_24h"]:
                    worst[str(ZONE_IDS[zone])] = fields["mae_24h"]
    mae.compare(keys.BOARD_MAE, worst, snapshot.boards[keys.BOARD_MAE])
    rides.compare(keys.BOARD_RIDES, busiest, snapshot.boards[keys.BOARD_RIDES])
    yield zones.check("zones show their latest hours and scores", "fields")
    yield mae.check("zones are ranked by the errors of 24 h", "zones")
    yield rides.check("zones are ranked by the rides of the latest hour", "zones")


def _fields(expected: Expected, hours: int) -> dict[str, list[Value]]:
    """Return what each zone must show after so many hours: field -> one value per zone."""
    arrays, forecast = expected.arrays, expected.arrays.forecast
    shown: dict[str, list[Value]] = {
        "name": [zone.name for zone in all_zones()],
        "borough": [zone.borough for zone in all_zones()],
    }
    if hours:
        last = hours - 1
        shown |= {
            "hour": [hour_label(expected.hour_ts(last))] * len(ZONE_IDS),
            "rides": list(counts(arrays.rides[last]).values()),
            "prediction": list(texts(forecast.mean[last]).values()),
            "median": list(texts(forecast.median[last]).values()),
            "lower": list(texts(forecast.lower[last]).values()),
            "upper": list(texts(forecast.upper[last]).values()),
            "error": list(texts(expected.errors(last)).values()),
        }
        scores = error_scores(arrays, forecast.served_model, hours, by_zone=True)
        scores |= coverage_scores(arrays, hours, by_zone=True)
        shown |= {name: values.tolist() for name, values in scores.items()}
    return shown | {
        "next_hour": [hour_label(expected.hour_ts(hours))] * len(ZONE_IDS),
        "next_prediction": list(texts(forecast.mean[hours]).values()),
        "next_median": list(texts(forecast.median[hours]).values()),
        "next_lower": list(texts(forecast.lower[hours]).values()),
        "next_upper": list(texts(forecast.upper[hours]).values()),
    }
