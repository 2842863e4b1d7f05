"""What the first consumer does with the records of `submissions`."""

import logging
from collections.abc import Callable, Mapping, Sequence

import confluent_kafka as ck
import redis

from consumers.metrics import EVENTS_READ
from consumers.submissions.records import Submission, read_record
from consumers.submissions.scores import SubmittedScores
from consumers.submissions.state import load_state
from consumers.submissions.writer import Decisions, SubmissionWriter, Written
from rushhour.core.events import HourStart
from rushhour.core.hours import HOUR_MS, hour_label
from rushhour.core.models import REFERENCE
from rushhour.core.run import RunInfo
from rushhour.core.submissions import Fault
from rushhour.core.topics import SUBMISSIONS
from rushhour.runtime.dead_letters import DeadLetters
from rushhour.runtime.fence import Fence, StaleState
from rushhour.runtime.records import FOREIGN_RECORDS
from rushhour.storage.clock import last_hour_closed
from rushhour.storage.read_hours import read_hours

READER = 0  # the consumer that reads the topic

# Copies of rejected records that may wait for Kafka: half of what `DeadLetters` keeps in memory.
_COPIES_AT_ONCE = 5_000

_log = logging.getLogger(__name__)


class Submissions:
    """Takes submissions, and scores them once their hours are closed for the city.

    A run without any writes nothing.

    Parameters
    ----------
    client, fence, run
        Redis, and what may be written to it.
    letters
        Where rejected records are copied.
    ends
        Returns the end of each partition of the topic on Kafka.

    Raises
    ------
    RedisFailure
        If the run was not prepared.
    """

    def __init__(
        self,
        client: redis.Redis,
        fence: Fence,
        run: RunInfo,
        letters: DeadLetters,
        ends: Callable[[], Mapping[int, int]],
    ) -> None:
        state = load_state(client, run)
        self.offsets = dict(state.written.offsets)
        self._client = client
        self._run = run
        self._letters = letters
        self._ends = ends
        self._end: Mapping[int, int] | None = None
        self._acceptance = state.acceptance
        self._scores = state.scores
        self._taken = state.taken
        self._rejected = state.rejected
        self._scored = state.written.scored
        self._writer = SubmissionWriter(client, fence, state.written)
        self._new: list[Submission] = []
        self._has_rejected = False
        self._copies = 0  # not waited for yet

    def read(self, messages: Sequence[ck.Message]) -> None:
        """Decide about records, in the order of each partition."""
        for message in messages:
            partition = message.partition() or 0
            found = read_record(message.value(), self._run.run_id)
            if isinstance(found, HourStart):
                self._acceptance.start(partition, found)
            elif isinstance(found, Submission):
                fault = self._acceptance.take(partition, found)
                if fault is None:
                    self._take(found)
                else:
                    self._reject(message, fault)
            elif found is not None:
                self._reject(message, found)
            else:
                FOREIGN_RECORDS.labels(SUBMISSIONS).inc()
            self.offsets[partition] = (message.offset() or 0) + 1

    def step(self) -> None:
        """Write what was decided since the last step, and score hours that are closed.

        Raises
        ------
        StaleState
            If Redis does not hold what was written last, or has lost a closed hour.
        RushhourError
            If another process has taken over, or Redis has lost the run.
        """
        due = self._due()
        if not (self._new or self._has_rejected or due):
            return
        if self._has_rejected:
            self._wait_for_copies()  # a record is passed over for good once its offset is written
        self._score(due)
        scored = self._scored
        self._writer.write(
            Decisions(
                Written(dict(self.offsets), scored, tuple(self._scores)),
                self._acceptance.begun,
                self._new,
                self._taken,
                self._rejected,
                {}
                if scored is None
                else {name: scores.fields(scored) for name, scores in self._scores.items()},
                self._removed(due),
            )
        )
        self._acceptance.forget(due)
        self._new, self._has_rejected = [], False

    def is_done(self) -> bool:
        """Return whether nothing is taken any more, and all that was taken is scored.

        To be asked once all hours of this consumer are closed: all hours have begun then. What the
        topic holds by now is still read, if there were any submissions, or a producer that was
        killed has lost the start of the last hour.
        """
        last = self._run.end_ts - HOUR_MS
        if self._scores or self._rejected or self._acceptance.begun_everywhere < last:
            if self._end is None:
                self._end = self._ends()
            if any(self.offsets[partition] < end for partition, end in self._end.items()):
                return False
            for partition in self.offsets:
                self._acceptance.start(partition, HourStart(last))
            self.step()
        return not self._scores or self._scored == last

    def _take(self, submission: Submission) -> None:
        model = submission.model
        if model not in self._scores:
            self._scores[model] = SubmittedScores(model)
            _log.info("first submission of %s: for %s", model, hour_label(submission.hour_ts))
        self._taken[model] = self._taken.get(model, 0) + 1
        self._new.append(submission)
        EVENTS_READ.labels(SUBMISSIONS).inc()

    def _reject(self, message: ck.Message, fault: Fault) -> None:
        reason, detail = fault
        self._letters.add(message, reason, detail)
        self._rejected[reason] = self._rejected.get(reason, 0) + 1
        self._has_rejected = True
        self._copies += 1
        if self._copies == _COPIES_AT_ONCE:
            self._wait_for_copies()

    def _wait_for_copies(self) -> None:
        self._letters.wait()
        self._copies = 0

    def _due(self) -> range:
        """Return the hours to score: closed for the city, and begun on every partition."""
        first = (
            min(self._acceptance.open_hours(), default=None)
            if self._scored is None
            else self._scored + HOUR_MS
        )
        closed = None if first is None else last_hour_closed(self._client)
        if first is None or closed is None:
            return range(0)
        last = min(closed, self._acceptance.begun_everywhere)
        return range(first, last + HOUR_MS, HOUR_MS)

    def _removed(self, due: range) -> range:
        """Return the hours that are not kept once the hours `due` are scored."""
        if not due:
            return range(0)
        first_kept = self._run.first_kept
        return range(first_kept(due.start), first_kept(due[-1] + HOUR_MS), HOUR_MS)

    def _score(self, due: range) -> None:
        tables = read_hours(self._client, self._run, due, models=(REFERENCE,), alerts=False)
        for hour in tables:
            if not hour.is_closed():
                raise StaleState(f"Redis lacks rides of {hour_label(hour.hour_ts)}, once closed")
            for name, scores in self._scores.items():
                scores.update(hour, self._acceptance.column(name, hour.hour_ts))
            self._scored = hour.hour_ts
