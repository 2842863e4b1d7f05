"""The manifest of a run: what it was, what its clock was told, and where it ended."""

from typing import Annotated, Any

import redis
from msgspec import Meta

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.manifest import OPTIONS
from rushhour.core.run import RunInfo
from rushhour.core.timeline import TimelineEntry
from rushhour.core.version import parse_versions
from rushhour.simulator.documents.objects import (
    Document,
    Hour,
    ManifestCommand,
    RunEnd,
    SubmissionCounts,
)
from rushhour.storage.clock import last_hour_of, simulated_ts
from rushhour.storage.runs import load_run
from rushhour.storage.submissions import TAKEN, rejected_submissions, submitted_models
from rushhour.storage.timeline import read_timeline, repeated_run

RUSHHOUR = "rushhour"


class Manifest(Document, frozen=True, kw_only=True):
    """`rushhour manifest --json`: one object, as in `manifest.json` of the state directory."""

    run: Annotated[
        dict[str, str | int], Meta(description="what was replayed: the fields of `sim:run`")
    ]
    options: Annotated[dict[str, str], Meta(description="settings of the clock at its start")]
    versions: Annotated[
        dict[str, str],
        Meta(description="of rushhour, Python, NumPy and River; `machine` is the architecture"),
    ]
    repeats: Annotated[str | None, Meta(description="id of the run that this one repeats")]
    commands: list[ManifestCommand]
    commands_left_out: Annotated[
        int, Meta(description="commands before these, of which there were too many to keep")
    ]
    submissions: SubmissionCounts
    skipped: Annotated[int, Meta(description="records that `rushhour skip` had passed over")]
    end: RunEnd

    @property
    def run_info(self) -> RunInfo:
        """What was replayed.

        Raises
        ------
        KeyError, ValueError
            If a field is missing, or cannot be read.
        """
        fields = {name: str(value) for name, value in self.run.items()}
        return RunInfo.from_fields(fields | {"version": self.versions[RUSHHOUR]})

    @property
    def timeline(self) -> tuple[TimelineEntry, ...]:
        """The commands as the clock takes them."""
        return tuple(
            TimelineEntry(
                each.number,
                each.id,
                each.command,
                each.value,
                each.error or "",
                each.simulated_ts,
                each.target_ts,
            )
            for each in self.commands
        )


def read_manifest(client: redis.Redis) -> Manifest:
    """Read the manifest of a run up to now.

    Raises
    ------
    RedisFailure
        If Redis holds no run.
    """
    run = load_run(client)
    models = submitted_models(client)
    pipe = client.pipeline(transaction=True)  # of one moment
    for key in (
        *(keys.MANIFEST, keys.REPEATED, keys.RECOVERY, keys.CLOCK, keys.CLOSED, keys.QUALITY),
        keys.SKIPPED,
    ):
        pipe.hgetall(key)
    pipe.xrange(keys.TIMELINE)
    pipe.xrevrange(keys.CITY_HOURLY, count=1)
    for model in models:
        pipe.hget(keys.submitted_model(model), TAKEN)
    found: list[Any] = pipe.execute()
    started, repeated, recovery, clock, closed, quality, skipped, timeline, hourly, *taken = found
    commands = read_timeline(timeline)
    return Manifest(
        run=_without_version(run),
        options={name: started[name] for name in OPTIONS if name in started},
        versions={
            RUSHHOUR: run.version,
            **{name: number for name, number in started.items() if name not in OPTIONS},
            **parse_versions(recovery.get(keys.LIBRARIES, "")),
        },
        repeats=repeated_run(repeated),
        commands=list(map(_command, commands)),
        commands_left_out=commands[0].number - 1 if commands else 0,
        submissions=SubmissionCounts(
            taken={model: int(count or 0) for model, count in zip(models, taken, strict=True)},
            rejected=rejected_submissions(quality),
        ),
        skipped=len(skipped),
        end=_end(run, ClockStatus.from_fields(clock), last_hour_of(hourly), closed),
    )


def _without_version(run: RunInfo) -> dict[str, str | int]:
    return {name: value for name, value in run.to_fields().items() if name != "version"}


def _command(entry: TimelineEntry) -> ManifestCommand:
    return ManifestCommand(
        number=entry.number,
        id=entry.id,
        command=entry.command,
        value=entry.value,
        error=entry.error or None,
        simulated_time=to_datetime(entry.now_ts),
        simulated_ts=entry.now_ts,
        target_ts=entry.target_ts,
    )


def _end(
    run: RunInfo, clock: ClockStatus | None, last_closed: int | None, closed: dict[str, str]
) -> RunEnd:
    closed_until = run.start_ts if last_closed is None else last_closed + HOUR_MS
    return RunEnd(
        state="starting" if clock is None else clock.state,
        simulated_ts=run.start_ts if clock is None else simulated_ts(clock, last_closed),
        last_closed=Hour(
            pickup_hour=None if last_closed is None else to_datetime(last_closed),
            pickup_ts=last_closed,
        ),
        hours_closed=(closed_until - run.start_ts) // HOUR_MS,
        is_whole=all(int(hour) < closed_until for hour in closed.values()),
    )
