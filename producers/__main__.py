"""Entry point of the replay producer: `python -m producers`, set by `RUSHHOUR_*`."""

from pathlib import Path
from typing import cast

import redis

from core import keys
from core.errors import UsageError
from core.hours import HOUR_MS
from core.process import run_process
from core.redis_client import connect, redis_errors, write_hash
from core.run import RunInfo, load_offsets
from core.settings import Settings
from core.speed import Speed
from core.status import ClockStatus
from core.topics import TRIPS
from producers.control import RedisControl
from producers.replay import Plan, Replay
from producers.stream import KafkaStream
from producers.trips import TripTable, read_trips, synthetic_table


def main(settings: Settings) -> None:
    """Replay the run that Redis describes, to its end."""
    if settings.kafka is None or settings.redis is None:
        raise UsageError("the producer needs RUSHHOUR_KAFKA and RUSHHOUR_REDIS")
    client = connect(settings.redis)
    with redis_errors(settings.redis):
        run = RunInfo.load(client)
        trips = load_trips(run)
        _write_quality(client, trips)
        plan = Plan(
            trips, run.start_ts, run.end_ts, Speed.parse(settings.speed), settings.ahead_hours
        )
        stream = KafkaStream(settings.kafka, partitions=len(load_offsets(client, TRIPS)))
        status = ClockStatus.load(client)
        resume_at = _first_open_hour(client, run)
        last_command = status.command if status else "0-0"
        control = RedisControl(client, last_command, resume_at - HOUR_MS)
        Replay(plan, stream, control, resume_at=resume_at, status=status).run()


def load_trips(run: RunInfo) -> TripTable:
    """Return the trips of a run.

    Raises
    ------
    DataError
        If the file cannot be used.
    """
    if run.synthetic:
        return synthetic_table(run.dataset, run.month)
    return read_trips(Path(run.file), run.dataset, run.month)


def _first_open_hour(client: redis.Redis, run: RunInfo) -> int:
    closed = cast(str | None, client.hget(keys.CLOCK, "last_hour_closed_ts"))
    return run.start_ts if closed is None else int(closed) + HOUR_MS


def _write_quality(client: redis.Redis, trips: TripTable) -> None:
    fields: dict[str, int] = {"rows_read": trips.rows, "trips_usable": len(trips.zone)}
    fields |= {f"rejected:{reason}": count for reason, count in trips.rejected.items()}
    write_hash(client, keys.QUALITY, fields)


if __name__ == "__main__":
    run_process("producer", lambda: main(Settings.load()))
