"""One consumer: what it does with the hours that its events complete."""

import logging
from collections.abc import Mapping, Sequence

import redis

from consumers.assignment import TopicPartition, partitions_of
from consumers.city_writer import CityWriter
from consumers.metrics import DUPLICATE_EVENTS, REDIS_WRITE
from consumers.pending import HourUpdate
from consumers.resume import resume
from consumers.writer import ZoneWriter, read_closed
from rushhour.core.hours import DAY_MS, HOUR_MS, clock_label
from rushhour.core.labels import closed_hours_label, source_label
from rushhour.core.run import RunInfo
from rushhour.core.topics import PREDICTIONS
from rushhour.runtime.fence import Fence
from rushhour.runtime.waiting import Waiting
from rushhour.storage.runs import load_offsets

_WAITING = Waiting("redis")
_log = logging.getLogger(__name__)


class Consumer:
    """Learns, writes and closes hours of the partitions of one of the run's consumers.

    Attributes
    ----------
    assigned
        The pending hours, to which events are added.
    offsets
        The offset from which each partition is read.

    Raises
    ------
    RedisFailure
        If the run was not prepared.
    """

    def __init__(self, client: redis.Redis, fence: Fence, run: RunInfo, process: int) -> None:
        count = len(load_offsets(client, PREDICTIONS))
        self.partitions = partitions_of(process, run.consumers, count)
        state = resume(client, run, self.partitions, len(partitions_of(0, 1, count)))
        self.assigned = state.assigned
        self.offsets = state.written.offsets
        self._client = client
        self._run = run
        self._process = process
        self._scores = state.scores
        self._writer = ZoneWriter(client, fence, state.written, process)
        self._city = CityWriter(client, fence, run, state.city)
        self._duplicates = 0
        self._next_hour = self._first_open_hour()

    def start(self) -> None:
        """Write what does not depend on events, and close what an earlier process left open."""
        _log.info(
            "start: %s; run %s, process %d (of %d), partitions %s, from %s",
            source_label(self._run),
            self._run.run_id,
            self._process,
            self._run.consumers,
            ", ".join(map(str, self.partitions)),
            clock_label(self._next_hour),
        )
        self._city.start()
        self._writer.write_zones()
        # It may have ended after the last hour of its zones and before that of the city.
        self._city.close(read_closed(self._client))

    def is_done(self) -> bool:
        """Return whether every hour of its partitions is written."""
        return self._next_hour >= self._run.end_ts

    def step(self) -> None:
        """Write what the events added since the last step have completed."""
        duplicates = self.assigned.duplicates
        if duplicates > self._duplicates:
            added = duplicates - self._duplicates
            DUPLICATE_EVENTS.inc(added)
            _log.warning("%d events dropped that a restarted dataflow has sent again", added)
            self._duplicates = duplicates
        updates = self.assigned.pop_complete()
        if updates:
            self.write(updates, self.assigned.offsets(), self.assigned.next_hours())
            self._log_day()

    def write(
        self,
        updates: Sequence[HourUpdate],
        offsets: Mapping[TopicPartition, int],
        next_hours: Mapping[int, int],
    ) -> None:
        """Learn updates, write them with their offsets, and close hours for the city."""
        self._scores.update_all(updates)
        with REDIS_WRITE.time(), _WAITING:
            closed = self._writer.write(
                updates, self._scores, offsets, next_hours, self._duplicates
            )
        self._city.note(updates)
        with _WAITING:
            self._city.close(closed)

    def end(self) -> None:
        """Check that Redis holds all that was written, and log the end of the run."""
        self._writer.check()
        _log.info(
            "end: %d hours closed, %d duplicate events dropped", self._run.hours, self._duplicates
        )

    def _first_open_hour(self) -> int:
        return min(self.assigned.next_hours().values(), default=self._run.end_ts)

    def _log_day(self) -> None:
        before, self._next_hour = self._next_hour, self._first_open_hour()
        if self._next_hour // DAY_MS > before // DAY_MS:
            _log.info(
                "%s closed, up to %s, %d duplicate events dropped",
                closed_hours_label(self._run, (self._next_hour - self._run.start_ts) // HOUR_MS),
                clock_label(self._next_hour),
                self._duplicates,
            )
