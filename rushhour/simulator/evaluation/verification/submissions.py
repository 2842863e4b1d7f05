"""Predictions of users: their tables, and the scores of their models."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import redis

from rushhour.core import keys
from rushhour.core.arrays import Floats
from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY, HOURS_PER_WEEK, hour_label
from rushhour.simulator.evaluation.verification.check import Check, Differences, Value, whole_number
from rushhour.simulator.evaluation.verification.expected import Expected
from rushhour.simulator.evaluation.verification.scores import error_scores
from rushhour.simulator.evaluation.verification.snapshot import MOST_AHEAD_HOURS, Snapshot
from rushhour.storage.submissions import SCORED, TAKEN, read_submitted, rejected_submissions


def check_submissions(
    client: redis.Redis, snapshot: Snapshot, expected: Expected, tables: set[str]
) -> Iterator[Check]:
    """Yield the checks of users' models; none if nothing was submitted.

    What was taken is what Redis holds: it is in no file. Counts and scores must follow from it.

    Parameters
    ----------
    tables
        Gets the keys of the tables that were submitted.
    """
    run = expected.run
    state = snapshot.hashes[keys.SUBMISSIONS]
    scored = whole_number(state.get(SCORED))
    models = Differences()
    for name in snapshot.submitted:
        taken = _read_taken(client, snapshot, name, tables)
        found = dict(snapshot.submitted[name])
        if snapshot.hours < run.hours or run.keep_hours is not None:
            found.pop(TAKEN, None)  # of other hours, or more may have been taken since
        fields: dict[str, Value] = {}
        if snapshot.hours == run.hours and run.keep_hours is None:
            fields[TAKEN] = str(int((~np.isnan(taken)).sum()))
        if scored is not None:
            fields |= _scores(expected, name, taken, (scored - run.start_ts) // HOUR_MS + 1)
        tables.add(keys.submitted_model(name))
        models.compare(keys.submitted_model(name), fields, found)
    if snapshot.submitted:
        yield models.check("models of users show their scores", "fields")
    rejected = rejected_submissions(snapshot.hashes[keys.QUALITY])
    if rejected:
        named = ", ".join(f"{reason} {count:,}" for reason, count in sorted(rejected.items()))
        yield Check("submissions were rejected", "note", named)


def _read_taken(client: redis.Redis, snapshot: Snapshot, name: str, tables: set[str]) -> Floats:
    """Return what was taken: `float64[hours, zones]`, NaN for nothing and for what is not kept."""
    run, next_ts = snapshot.run, snapshot.run.start_ts + snapshot.hours * HOUR_MS
    hours = range(run.start_ts, min(run.end_ts, next_ts + MOST_AHEAD_HOURS * HOUR_MS), HOUR_MS)
    columns = read_submitted(client, name, hours)
    tables.update(
        keys.submitted_predictions(name, hour_label(hour))
        for hour, column in zip(hours, columns, strict=True)
        if not np.isnan(column).all()
    )
    return np.stack(columns)


def _scores(expected: Expected, name: str, taken: Floats, end: int) -> dict[str, Value]:
    """Return the scores up to an hour, given its index and 1."""
    forecast = expected.arrays.forecast
    by_model = forecast.by_model | {name: taken[:end]}
    arrays = replace(expected.arrays, forecast=replace(forecast, by_model=by_model))
    scores = error_scores(arrays, name, end, by_zone=False)
    fields: dict[str, Value] = {field: float(score) for field, score in scores.items()}
    fields["hour"] = hour_label(expected.hour_ts(end - 1))
    for window in (HOURS_PER_DAY, HOURS_PER_WEEK):
        pairs = int((~np.isnan(taken[max(0, end - window) : end])).sum())
        fields[f"pairs_{window}h"] = str(pairs)
    return fields
