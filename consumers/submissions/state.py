"""Read back from Redis what an earlier process has decided and scored."""

from dataclasses import dataclass

import numpy as np
import redis

from consumers.submissions.acceptance import Acceptance, taken_until
from consumers.submissions.scores import SubmittedScores
from consumers.submissions.writer import Written
from rushhour.core import keys
from rushhour.core.arrays import Floats
from rushhour.core.hours import HOUR_MS, HOURS_PER_WEEK
from rushhour.core.models import REFERENCE
from rushhour.core.run import RunInfo
from rushhour.core.topics import SUBMISSIONS
from rushhour.runtime.redis_client import read_hash
from rushhour.storage.read_hours import read_hours
from rushhour.storage.runs import load_offsets
from rushhour.storage.submissions import (
    MODELS,
    SCORED,
    TAKEN,
    begun_field,
    model_names,
    read_submitted,
    rejected_submissions,
)

Columns = dict[tuple[str, int], Floats]


@dataclass(frozen=True, slots=True)
class SubmissionState:
    """What was decided and scored, and the counts of a run so far."""

    written: Written
    acceptance: Acceptance
    scores: dict[str, SubmittedScores]
    taken: dict[str, int]
    rejected: dict[str, int]


def load_state(client: redis.Redis, run: RunInfo) -> SubmissionState:
    """Return the state at the offsets that Redis holds.

    Raises
    ------
    RedisFailure
        If the run was not prepared.
    """
    fields = read_hash(client, keys.SUBMISSIONS)
    models = model_names(fields.get(MODELS))
    scored = int(fields[SCORED]) if SCORED in fields else None
    written = Written(load_offsets(client, SUBMISSIONS), scored, models)
    before = run.start_ts - HOUR_MS
    begun = {
        partition: int(fields.get(begun_field(partition), before)) for partition in written.offsets
    }
    first = run.first_kept(min(begun.values())) if scored is None else scored + HOUR_MS
    until = taken_until(run, max(begun.values()))
    columns = _columns(client, models, range(first, until, HOUR_MS))
    return SubmissionState(
        written,
        Acceptance(run, begun, columns),
        _scores(client, run, models, scored),
        taken={name: _taken(client, name) for name in models},
        rejected=rejected_submissions(read_hash(client, keys.QUALITY)),
    )


def _columns(client: redis.Redis, models: tuple[str, ...], hours: range) -> Columns:
    """Return what was taken for some hours, of those for which anything was."""
    return {
        (model, hour): column
        for model in models
        for hour, column in zip(hours, read_submitted(client, model, hours), strict=True)
        if not np.isnan(column).all()
    }


def _scores(
    client: redis.Redis, run: RunInfo, models: tuple[str, ...], scored: int | None
) -> dict[str, SubmittedScores]:
    scores = {name: SubmittedScores(name) for name in models}
    if scored is None or not models:
        return scores
    first = max(run.start_ts, scored - (HOURS_PER_WEEK - 1) * HOUR_MS)
    hours = range(first, scored + HOUR_MS, HOUR_MS)
    predicted = {name: read_submitted(client, name, hours) for name in models}
    tables = read_hours(client, run, hours, models=(REFERENCE,), alerts=False)
    for index, hour in enumerate(tables):
        for name in models:
            scores[name].update(hour, predicted[name][index])
    return scores


def _taken(client: redis.Redis, name: str) -> int:
    return int(read_hash(client, keys.submitted_model(name)).get(TAKEN, 0))
