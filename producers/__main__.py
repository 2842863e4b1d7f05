"""Entry point of the replay producer: `python -m producers`, set by `RUSHHOUR_*`."""

import logging
from dataclasses import replace

import redis

from producers.control import RedisControl
from producers.looping import LoopedPartition, loop_partition
from producers.metrics import ROWS_REJECTED
from producers.month.run_months import RunMonths
from producers.numbering import PartitionTrips
from producers.pacing.gate import Gate
from producers.pacing.replay import Plan, Replay
from producers.span import Span
from producers.stream import KafkaStream
from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, WEEK_MS, clock_label
from rushhour.core.labels import loop_label, source_label
from rushhour.core.manifest import started_with
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.core.speed import Speed
from rushhour.core.topics import SUBMISSIONS, TRIPS
from rushhour.runtime.fence import Fence
from rushhour.runtime.monitor import Health
from rushhour.runtime.process import run_pipeline_process
from rushhour.runtime.redis_client import connect, redis_failures
from rushhour.storage.clock import first_open_hour, load_status
from rushhour.storage.gate import load_gate
from rushhour.storage.runs import join_run, load_offsets
from rushhour.storage.timeline import load_schedule

_log = logging.getLogger(__name__)


def main(settings: Settings, health: Health, fence: Fence) -> None:
    """Replay the run in Redis to its end."""
    kafka, redis_address = settings.servers("producer")
    client = connect(redis_address, once=True)
    with redis_failures(redis_address):
        run = join_run(client)
        trips = _numbered_trips(client, fence, run)
        settings.check_start(*run.original_span)
        start_at = settings.start_at_ts
        plan = Plan(
            run.start_ts,
            run.end_ts,
            Speed.parse(settings.speed),
            settings.ahead_hours,
            None if start_at is None else start_at + run.shift_ms,
            paused=settings.paused,
            can_start_over=settings.can_start_over,
            schedule=load_schedule(client),
        )
        stream = KafkaStream(
            kafka,
            run.run_id,
            trips,
            health,
            submission_partitions=len(load_offsets(client, SUBMISSIONS)),
        )
        status = saved_status(client, plan.speed)
        resume_at = first_open_hour(client, run)
        if status is None:
            fence.write_hash(client, keys.MANIFEST, started_with(settings))
        last_command = status.command if status else "0-0"
        gate = Gate(resume_at - HOUR_MS, settings.gates, _first_gated(plan), load_gate(client))
        control = RedisControl(client, fence, run, last_command, gate, health)
        replay = Replay(plan, stream, control, resume_at=resume_at, status=status)
        _log.info(
            "%d hours from %s to %s%s at %s%s",
            (run.first_pass_end_ts - run.start_ts) // HOUR_MS,
            clock_label(run.start_ts),
            clock_label(run.first_pass_end_ts),
            loop_label(run),
            replay.clock.speed,
            f", resumed at {clock_label(resume_at)}" if resume_at > run.start_ts else "",
        )
        replay.run()


def _first_gated(plan: Plan) -> int:
    """Return the first hour that gates acknowledge (epoch ms): none of a history that is skipped.

    The last hour before `start_at` is one, so that the hour at `start_at` can be predicted.
    """
    return plan.start_ts if plan.start_at is None else max(plan.start_ts, plan.start_at - HOUR_MS)


def _numbered_trips(
    client: redis.Redis, fence: Fence, run: RunInfo
) -> list[PartitionTrips] | list[LoopedPartition]:
    """Return the trips of a run on each partition."""
    partitions = len(load_offsets(client, TRIPS))
    span = Span(RunMonths(run), run.start_ts, run.first_pass_end_ts, partitions)
    _log.info("run %s: %s", run.run_id, source_label(run))
    _write_quality(client, fence, span)
    if run.loop_ts is None:
        return span.partitions
    length_ms = run.loop_weeks * WEEK_MS
    return [loop_partition(each, run.loop_ts, length_ms) for each in span.partitions]


def saved_status(client: redis.Redis, speed: Speed) -> ClockStatus | None:
    """Return the status that an earlier producer has saved; `speed` replaces an invalid one."""
    status = load_status(client)
    if status is None:
        return None
    try:
        Speed.parse(status.speed)
    except UsageError as error:
        _log.warning("%s in %s: the speed is %s", error, keys.CLOCK, speed)
        return replace(status, speed=str(speed))
    return status


def _write_quality(client: redis.Redis, fence: Fence, trips: Span) -> None:
    fields: dict[str, int] = {"rows_read": trips.rows, "trips_usable": trips.usable}
    fields |= {f"rejected:{reason}": count for reason, count in trips.rejected.items()}
    fence.write_hash(client, keys.QUALITY, fields)
    for reason, count in trips.rejected.items():
        ROWS_REJECTED.labels(reason).set(count)
    rejected = ", ".join(f"{reason} {count:,}" for reason, count in trips.rejected.items() if count)
    _log.info(
        "%s trips of %s rows, rejected: %s",
        f"{trips.usable:,}",
        f"{trips.rows:,}",
        rejected or "none",
    )


if __name__ == "__main__":
    run_pipeline_process("producer", main)
