"""The Redis edge of the city: read what is missing, write closed hours in one transaction.

The same transaction removes the hours that Redis does not keep any longer.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import redis
from redis.client import Pipeline

from consumers.city import City, CityUpdate
from consumers.pending import HourUpdate
from rushhour.core import keys
from rushhour.core.errors import RedisFailure
from rushhour.core.hours import HOUR_MS, hour_label
from rushhour.core.run import RunInfo
from rushhour.runtime.failpoints import reach
from rushhour.runtime.fence import READ_FENCE, Condition, Fence, StaleState
from rushhour.runtime.lua import Script
from rushhour.runtime.redis_client import write_hash
from rushhour.storage.clock import check_entry, hour_of_entry
from rushhour.storage.read_hours import read_hours_ahead, table_keys

_EMPTY = "0-0"  # id before the first entry of a stream

# The number of entries of a stream, the id of the last one, and the id that the next one must
# exceed, which a deleted entry may have raised.
_STREAM_INFO = """
    local function info_{N}()
      if redis.call('EXISTS', KEYS[{N}]) == 0 then return {0, '0-0', '0-0'} end
      local reply, info = redis.call('XINFO', 'STREAM', KEYS[{N}]), {}
      for i = 1, #reply, 2 do info[reply[i]] = reply[i + 1] end
      local last = info['last-entry']
      return {info['length'], last and last[1] or '0-0', info['last-generated-id']}
    end
"""
_INFO_3, _INFO_4 = (_STREAM_INFO.replace("{N}", number) for number in "34")
_READ_STREAMS = Script(f"{_INFO_3}{_INFO_4} return {{{READ_FENCE}, info_3(), info_4()}}")
# Writes a stream again whose last entries were deleted, so that it takes ids after the last one.
_RENEW_STREAM = Script(
    f"""{_INFO_3}
    local held, info = {{{READ_FENCE}}}, info_3()
    if held[1] == ARGV[1] and held[2] == ARGV[2] and info[2] ~= info[3] then
      local entries = redis.call('XRANGE', KEYS[3], '-', '+')
      redis.call('DEL', KEYS[3])
      for _, entry in ipairs(entries) do redis.call('XADD', KEYS[3], entry[1], unpack(entry[2])) end
    end
    return held
    """
)


class CityWriter:
    """Closes hours for the city in Redis."""

    def __init__(self, client: redis.Redis, fence: Fence, run: RunInfo, city: City) -> None:
        self._client = client
        self._fence = fence
        self._run = run
        self._city = city

    def start(self) -> None:
        """Prepare the streams for entries of the run.

        Raises
        ------
        RedisFailure
            If a stream holds entries that are not of the run.
        """
        fence_keys = (keys.RUN, keys.epoch(self._fence.process))
        for stream in (keys.CITY_HOURLY, keys.ALERTS):
            arguments = (self._fence.run_id, self._fence.epoch)
            self._fence.check(*_RENEW_STREAM.run(self._client, (*fence_keys, stream), arguments))
        _, _, hourly, alerts = _READ_STREAMS.run(
            self._client, (*fence_keys, keys.CITY_HOURLY, keys.ALERTS)
        )
        self._last_written(hourly, alerts)

    def note(self, updates: Iterable[HourUpdate]) -> None:
        """Remember what this consumer has written, so that it need not be read back."""
        self._city.note(updates)

    def close(self, closed: Mapping[int, int]) -> None:
        """Close all hours that every partition has closed; `closed` is the last one of each.

        Raises
        ------
        StaleState
            If Redis has lost hours that were written or closed.
        RushhourError
            If a stream holds entries that are not of the run, or as for `Fence.check`.
        """
        due = self._city.due(closed)
        if not due:
            return
        read = {
            hour.hour_ts: hour
            for hour in read_hours_ahead(self._client, self._run, self._city.unknown(due))
        }
        for hour_ts, hour in read.items():
            if not (hour.is_forecast() and (hour.is_closed() or hour_ts not in due)):
                raise StaleState(
                    f"Redis lacks figures of {hour_label(hour_ts)}, "
                    "which every partition has written"
                )
        reach("consumer.city", hour=due[-1])
        self._write(self._city.close(due, read), due)
        reach("consumer.closed", hour=due[-1])

    def _write(self, update: CityUpdate, due: range) -> None:
        """Write an update, unless another consumer has written it, or a later one, already."""
        written, last_alert = due.start - HOUR_MS, _EMPTY

        def is_news(streams: Sequence[Any]) -> bool:
            nonlocal written, last_alert
            written = self._last_written(*streams)
            last_alert = streams[1][1]
            if written < due.start - HOUR_MS:
                raise StaleState(
                    f"Redis went back in time: stream '{keys.CITY_HOURLY}' ends with entry "
                    f"{streams[0][1]}, and {due.start - HOUR_MS}-0 was written"
                )
            return written < update.last_hour

        streams = (keys.CITY_HOURLY, keys.ALERTS)

        def queue(pipe: Pipeline) -> None:
            _queue(pipe, update, written)
            if self._run.keep_hours is not None:
                self._queue_removal(pipe, due, [last_alert, *update.alerts][-1])

        self._fence.execute(
            self._client,
            queue,
            Condition(_READ_STREAMS, streams, watched=streams, holds=is_news),
        )

    def _queue_removal(self, pipe: Pipeline, due: range, last_alert: str) -> None:
        """Queue the removal of the hours that are not kept once the hours `due` are closed."""
        run = self._run
        first_kept = run.first_kept(due[-1] + HOUR_MS)
        for hour in range(run.first_kept(due.start), first_kept, HOUR_MS):
            pipe.unlink(*table_keys(run, hour))
        pipe.xtrim(keys.CITY_HOURLY, minid=f"{first_kept}-0", approximate=False)
        if hour_of_entry(last_alert) < first_kept:
            pipe.unlink(keys.ALERTS)  # an empty stream would remember the id of its last entry
        else:
            pipe.xtrim(keys.ALERTS, minid=f"{first_kept}-0", approximate=False)

    def _last_written(self, hourly: Sequence[Any], alerts: Sequence[Any]) -> int:
        """Return the last hour (epoch ms) that is closed for the city, from both streams."""
        count, last, _ = hourly
        written = self._run.start_ts - HOUR_MS
        if last != _EMPTY:
            written = check_entry(last, self._run)
        following = written + HOUR_MS
        due = (following - self._run.first_kept(following)) // HOUR_MS
        if count != due:
            raise RedisFailure(
                f"stream '{keys.CITY_HOURLY}' has {count} entries for {due} hours: it was changed "
                "by another client; start a new run with `rushhour prepare --new`"
            )
        if hour_of_entry(alerts[1]) > written:
            raise RedisFailure(
                f"stream '{keys.ALERTS}' holds an entry of an hour that is not closed: delete it "
                f"(`redis-cli XDEL {keys.ALERTS} {alerts[1]}`) and restart the consumer"
            )
        for stream, (_, last, generated) in ((keys.CITY_HOURLY, hourly), (keys.ALERTS, alerts)):
            if last != generated:
                raise RedisFailure(
                    f"the last entry of stream '{stream}' was deleted: restart the consumer"
                )
        return written


def _queue(pipe: Pipeline, update: CityUpdate, written: int) -> None:
    """Queue an update; the entries of hours up to `written` are in the streams already."""
    for stream, entries in ((keys.CITY_HOURLY, update.hourly), (keys.ALERTS, update.alerts)):
        for entry_id, fields in entries.items():
            if hour_of_entry(entry_id) > written:
                _xadd(pipe, stream, entry_id, fields)
    for name, fields in update.models.items():
        write_hash(pipe, keys.model(name), fields)
    for horizon, fields in update.horizons.items():
        write_hash(pipe, keys.horizon(horizon), fields)
    write_hash(pipe, keys.COVERAGE, update.coverage)
    write_hash(pipe, keys.CITY, update.city)
    write_hash(pipe, keys.QUALITY, update.quality)


def _xadd(pipe: Pipeline, stream: str, entry_id: str, fields: dict[str, Any]) -> None:
    flat = [item for pair in fields.items() for item in pair]
    pipe.execute_command("XADD", stream, entry_id, *flat)  # type: ignore[no-untyped-call]
