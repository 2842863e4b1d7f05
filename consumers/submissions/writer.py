"""The Redis edge of submissions: what was decided, its offsets and its scores, in one transaction.

Every write sets a value that is a function of the records and of the closed hours.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.client import Pipeline

from consumers.submissions.records import Submission
from rushhour.core import keys
from rushhour.core.hours import hour_label
from rushhour.core.topics import SUBMISSIONS
from rushhour.runtime.failpoints import reach
from rushhour.runtime.fence import READ_FENCE, Condition, Fence, StaleState
from rushhour.runtime.lua import Script
from rushhour.runtime.redis_client import write_hash
from rushhour.storage.clock import last_hour_of
from rushhour.storage.submissions import MODELS, SCORED, TAKEN, begun_field

# The offsets of the partitions (ARGV), what is scored, and the last hour closed for the city.
_READ_WRITTEN = Script(
    f"""
    local offsets = redis.call('HMGET', KEYS[3], unpack(ARGV))
    local state = redis.call('HMGET', KEYS[4], '{SCORED}', '{MODELS}')
    local last = redis.call('XREVRANGE', KEYS[5], '+', '-', 'COUNT', 1)
    return {{{READ_FENCE}, offsets, state, last}}
    """
)


@dataclass(frozen=True, slots=True)
class Written:
    """What Redis holds of submissions, as it was read or written last.

    Attributes
    ----------
    offsets
        By partition, the offset from which a restart reads.
    scored
        The last hour that is scored (epoch ms); None before the first.
    models
        Names of the users' models.
    """

    offsets: Mapping[int, int]
    scored: int | None = None
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decisions:
    """What is written at once.

    Attributes
    ----------
    state
        What Redis holds afterwards.
    begun
        The last hour that has begun on each partition (epoch ms).
    submissions
        Those that were taken.
    taken
        By model, how many were taken since the start of the run.
    rejected
        By reason, how many were rejected since the start of the run.
    scores
        By model, the fields of its scores.
    removed
        Hours whose predictions are not kept any longer (epoch ms).
    """

    state: Written
    begun: Mapping[int, int]
    submissions: Sequence[Submission] = ()
    taken: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    removed: Iterable[int] = ()


class SubmissionWriter:
    """Writes decisions and scores; `written` is what Redis holds."""

    def __init__(self, client: redis.Redis, fence: Fence, written: Written) -> None:
        self._client = client
        self._fence = fence
        self._written = written

    def write(self, decisions: Decisions) -> None:
        """Write what was decided since the last call.

        Raises
        ------
        StaleState
            If Redis does not hold what was written last.
        RushhourError
            If another process has taken over, or Redis has lost the run.
        """
        state = decisions.state

        def queue(pipe: Pipeline) -> None:
            for key, fields in _tables(decisions.submissions).items():
                write_hash(pipe, key, fields)
            for model, count in decisions.taken.items():
                scores = decisions.scores.get(model, {})
                write_hash(pipe, keys.submitted_model(model), {TAKEN: count, **scores})
            if decisions.rejected:
                counts = decisions.rejected.items()
                rejected = {keys.rejected_submissions_field(each): count for each, count in counts}
                write_hash(pipe, keys.QUALITY, rejected)
            for hour in decisions.removed:
                label = hour_label(hour)
                pipe.unlink(*(keys.submitted_predictions(name, label) for name in state.models))
            write_hash(pipe, keys.OFFSETS, _offset_fields(state.offsets))
            write_hash(pipe, keys.SUBMISSIONS, _state_fields(decisions))
            reach("consumer.submissions")

        self._fence.execute(self._client, queue, self._condition(state.scored))
        self._written = state
        reach("consumer.submitted")

    def _condition(self, scored: int | None) -> Condition:
        return Condition(
            _READ_WRITTEN,
            (keys.OFFSETS, keys.SUBMISSIONS, keys.CITY_HOURLY),
            tuple(_offset_fields(self._written.offsets)),
            holds=lambda found: self._check(found, scored),
        )

    def _check(self, found: Sequence[Any], scored: int | None) -> bool:
        offsets, state, last = found
        written = self._written
        expected = (
            *map(str, written.offsets.values()),
            None if written.scored is None else str(written.scored),
            ",".join(written.models) or None,
        )
        if expected != (*offsets, *state):
            raise StaleState(
                f"Redis does not hold what was written last of {SUBMISSIONS}: "
                f"{[*offsets, *state]} instead of {list(expected)}"
            )
        closed = last_hour_of(last)
        if scored is not None and (closed is None or closed < scored):
            raise StaleState(
                f"Redis went back in time: {hour_label(scored)} was closed, and "
                f"'{keys.CITY_HOURLY}' ends before"
            )
        return True


def _tables(submissions: Iterable[Submission]) -> dict[str, dict[int, float]]:
    tables: dict[str, dict[int, float]] = {}
    for each in submissions:
        key = keys.submitted_predictions(each.model, hour_label(each.hour_ts))
        tables.setdefault(key, {})[each.zone] = each.demand
    return tables


def _offset_fields(offsets: Mapping[int, int]) -> dict[str, int]:
    return {
        keys.offset_field(SUBMISSIONS, partition): offset for partition, offset in offsets.items()
    }


def _state_fields(decisions: Decisions) -> dict[str, str | int]:
    state = decisions.state
    fields: dict[str, str | int] = {
        begun_field(partition): hour for partition, hour in decisions.begun.items()
    }
    if state.models:
        fields[MODELS] = ",".join(state.models)
    if state.scored is not None:
        fields[SCORED] = state.scored
    return fields
