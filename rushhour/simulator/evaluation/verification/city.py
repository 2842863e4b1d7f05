"""The city: its streams, its latest hour, its rolling scores, and the totals of the run."""

from collections.abc import Iterator

import numpy as np

from rushhour.core import keys
from rushhour.core.events import direction_of
from rushhour.core.hours import hour_label
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.simulator.evaluation.demand import Recount
from rushhour.simulator.evaluation.verification.check import Check, Differences, Value
from rushhour.simulator.evaluation.verification.expected import Expected
from rushhour.simulator.evaluation.verification.scores import (
    band_coverage,
    coverage_scores,
    error_scores,
    interval_scores,
)
from rushhour.simulator.evaluation.verification.snapshot import Entries, Snapshot
from rushhour.storage.columns import to_values

Hash = dict[str, Value]


def check_city(snapshot: Snapshot, expected: Expected, counted: Recount) -> Iterator[Check]:
    """Yield the checks of what is written when an hour is closed for the city."""
    hours, first = snapshot.hours, snapshot.first_kept
    entries = [_entry(expected, index) for index in range(first, hours)]
    ids = [f"{expected.hour_ts(index)}-0" for index in range(first, hours)]
    yield _check_stream(
        "city:hourly has each closed hour once",
        keys.CITY_HOURLY,
        dict(zip(ids, entries, strict=True)),
        snapshot.hourly,
    )
    alerts = dict(_alerts(expected, range(first, hours)))
    yield _check_stream(
        "the stream of alerts has each alert once", keys.ALERTS, alerts, snapshot.alerts
    )
    city = Differences()
    arrays = expected.arrays
    city.compare(
        keys.CITY,
        entries[-1]
        | {
            "rides_so_far": str(int(arrays.rides[:hours].sum())),
            "next_hour": hour_label(expected.hour_ts(hours)),
            "next_prediction": float(arrays.forecast.mean[hours].sum()),
        },
        snapshot.hashes[keys.CITY],
    )
    yield city.check("the city shows its latest hour", "fields")
    models = Differences()
    for place, name in enumerate(expected.run.models):
        scores = error_scores(arrays, name, hours, by_zone=False)
        if place == 0:
            scores |= coverage_scores(arrays, hours, by_zone=False)
            scores |= interval_scores(arrays, hours)
        fields: Hash = {field: float(score) for field, score in scores.items()}
        fields["hour"] = hour_label(expected.hour_ts(hours - 1))
        models.compare(keys.model(name), fields, snapshot.models[name])
    yield models.check("models show their scores", "fields")
    if expected.run.horizons_ahead:
        yield _check_horizons(snapshot, expected)
    bands = Differences()
    shares = band_coverage(arrays, hours)
    bands.compare(keys.COVERAGE, shares, snapshot.hashes[keys.COVERAGE])
    yield bands.check("coverage is that of the last week", "bands")
    raised = len(dict(_alerts(expected, range(hours))))
    yield from _check_quality(snapshot, expected, counted, raised)


def _check_horizons(snapshot: Snapshot, expected: Expected) -> Check:
    """Check the scores of what was forecast further ahead."""
    horizons, hours = Differences(), snapshot.hours
    for horizon in expected.run.horizons_ahead:
        arrays = expected.arrays.at(horizon)
        scores = error_scores(arrays, arrays.forecast.served_model, hours, by_zone=False)
        scores |= coverage_scores(arrays, hours, by_zone=False)
        scores |= interval_scores(arrays, hours)
        fields: Hash = {field: float(score) for field, score in scores.items()}
        fields["hour"] = hour_label(expected.hour_ts(hours - 1))
        horizons.compare(keys.horizon(horizon), fields, snapshot.horizons[horizon])
    return horizons.check("horizons show their scores", "fields")


def _check_quality(
    snapshot: Snapshot, expected: Expected, counted: Recount, alerts: int
) -> Iterator[Check]:
    """Yield the checks of `quality`: of the file, of the closed hours, and of their overlap."""
    hours = snapshot.hours
    found = {
        field: count
        for field, count in snapshot.hashes[keys.QUALITY].items()
        if not field.startswith(keys.REJECTED_SUBMISSIONS)
    }
    overlap = found.pop("overlap", "missing")
    pairs = hours * ZONE_COUNT
    scored = int((~np.isnan(expected.arrays.forecast.median[:hours])).sum())
    fields = {"rows_read": counted.rows, "trips_usable": counted.usable}
    fields |= {f"rejected:{reason}": rows for reason, rows in counted.rejected.items()}
    fields |= {
        "hours_closed": hours,
        "rides": int(expected.arrays.rides[:hours].sum()),
        "pairs_due": pairs,
        "pairs_scored": scored,
        "alerts": alerts,
    }
    quality = Differences()
    quality.compare(keys.QUALITY, {name: str(count) for name, count in fields.items()}, found)
    yield quality.check("quality counts the rows of the file and the closed hours", "fields")
    yield Check.of(
        "overlap is 1",
        scored == pairs and overlap == "1.0",
        f"{scored:,} of {pairs:,} pairs scored, {keys.QUALITY} says {overlap}",
    )


def _check_stream(name: str, key: str, expected: dict[str, Hash], found: Entries) -> Check:
    """Check that a stream has the expected entries, each once and in order, and no other."""
    differences = Differences()
    seen = dict(found)
    for entry_id, fields in expected.items():
        if entry_id in seen:
            differences.compare(f"{key} {entry_id}", fields, seen[entry_id])
        else:
            differences.compared += len(fields)
            differences.add(f"{key} has no entry {entry_id}")
    for entry_id in seen.keys() - expected.keys():
        differences.add(f"{key} has an unknown entry {entry_id}")
    return differences.check(name, "fields")


def _entry(expected: Expected, index: int) -> Hash:
    """Return the entry of `city:hourly` for an hour."""
    arrays, forecast = expected.arrays, expected.arrays.forecast
    rides, mean = arrays.rides[index], forecast.mean[index]
    covered = (forecast.lower[index] <= rides) & (rides <= forecast.upper[index])
    return {
        "hour": hour_label(expected.hour_ts(index)),
        "rides": str(int(rides.sum())),
        "prediction": float(mean.sum()),
        "error": float((mean - rides).sum()),
        "mae": float(np.abs(forecast.median[index] - rides).mean()),
        "coverage": float(covered.mean()),
    }


def _alerts(expected: Expected, hours: range) -> Iterator[tuple[str, Hash]]:
    """Yield id and fields of each alert of some hours, given by index, by hour and zone."""
    for index in hours:
        row = expected.arrays.alerts[index]
        changes = to_values(row)
        hour = expected.hour_ts(index)
        for column in np.flatnonzero(~np.isnan(row)).tolist():
            zone = ZONE_IDS[column]
            yield (
                f"{hour}-{zone}",
                {
                    "zone": str(zone),
                    "hour": hour_label(hour),
                    "direction": direction_of(changes[column]),
                    "relative_change": str(changes[column]),
                },
            )
