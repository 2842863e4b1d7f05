"""`rushhour replay MANIFEST`: repeat a run, with its commands, up to where it ended."""

from pathlib import Path
from typing import Any

from producers.month.datasets import official_file
from rushhour.core.errors import DataError, StackError
from rushhour.core.history import ALL
from rushhour.core.horizons import format_horizons
from rushhour.core.hours import HOUR_MS, clock_label, hour_label, to_datetime
from rushhour.core.manifest import platform_of
from rushhour.core.run import RunInfo, TripFile
from rushhour.core.settings import Settings
from rushhour.core.speed import MAX
from rushhour.core.timeline import Schedule, stop_of
from rushhour.core.version import VERSION, library_versions
from rushhour.simulator.commands.manifest_file import load_manifest
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.trip_file import files_of_run
from rushhour.simulator.commands.up import Repetition, up
from rushhour.simulator.documents.manifest import RUSHHOUR, Manifest
from rushhour.simulator.documents.manifest_differences import version_differences
from rushhour.simulator.stack.stack import Repeated

_ENDED = "stopped"


def repeat(
    flags: dict[str, Any],
    output: Output,
    path: Path,
    *,
    stay: bool,
    restart: bool,
    any_version: bool,
) -> None:
    """Repeat the run of a manifest, on the data and the versions that it had.

    Raises
    ------
    DataError
        If the manifest or the trip file is missing, or another one.
    UsageError
        If the saved model that the run began with is.
    StackError
        If a version is another one that results depend on, and not `any_version`.
    RushhourError
        As `up` does.
    """
    from dataflows.forecasting.state.model_file import load_model_of  # noqa: PLC0415 - loads River

    manifest = load_manifest(path)
    _check_versions(manifest, output, any_version=any_version)
    run = manifest.run_info
    settings = settings_of(flags, manifest, run)
    files = _trip_files(settings, output, run)
    if len(files) < 2:  # noqa: PLR2004 - nothing else of this name is to be found
        settings = settings.model_copy(update={"data": files[0] if files else None})
    warm_start = settings.warm_start or (Path(run.warm_start) if run.warm_start else None)
    load_model_of(run, warm_start)
    settings = settings.model_copy(update={"warm_start": warm_start})
    schedule = schedule_of(manifest)
    for line in _notes(manifest, schedule):
        output.warn(line)
    count = len(schedule.entries)
    output.note(f"repeating  run {run.run_id}, {count:,} command{'s' * (count != 1)} to its clock")
    repetition = Repetition(files, run, Repeated(run.run_id, schedule))
    up(settings, output, stay=stay, restart=restart, repetition=repetition)


def schedule_of(manifest: Manifest) -> Schedule:
    """Return what a run does that repeats the one of a manifest."""
    run, end = manifest.run_info, manifest.end
    closed_until = run.start_ts + end.hours_closed * HOUR_MS
    ended = end.state == _ENDED and closed_until < run.end_ts
    stop_at = stop_of(closed_until, end.simulated_ts) if ended else None
    return Schedule(manifest.timeline, stop_at)


def settings_of(flags: dict[str, Any], manifest: Manifest, run: RunInfo) -> Settings:
    """Return the settings of the repetition: those of the run, on the servers of the flags."""
    first_ts, end_ts = run.original_span  # options name hours of the trip file
    of_run = {
        "dataset": run.dataset,
        "month": run.month,
        "from_hour": hour_label(first_ts),
        "until_hour": hour_label(end_ts - HOUR_MS),
        "surge": run.surge,
        "loop": run.loop_ts is not None,
        "keep": ALL if run.keep_hours is None else f"{run.keep_hours}h",
        "horizons": format_horizons(run.horizons),
        # Nobody waits for anything.
        "paused": False,
        "gate": "",
        "on_hour": "",
    }
    speed = flags["speed"] or str(MAX)
    settings = Settings.load(**{**flags, **of_run, "speed": speed})
    # Not `now`, which may be in another week by now. None leaves no room for the environment.
    rebase = to_datetime(run.start_ts).date().isoformat() if run.shift_weeks else None
    start_at = manifest.options.get("start_at") or None
    return settings.model_copy(update={"start_at": start_at, "rebase": rebase})


def _check_versions(manifest: Manifest, output: Output, *, any_version: bool) -> None:
    """Check that the results of a run can be had again with what is installed."""
    installed = {RUSHHOUR: VERSION, **platform_of(), **library_versions()}
    found = [
        f"{each.name} {each.first} instead of {each.second}"
        for each in version_differences(manifest.versions, installed)
        if each.changes == "result"
    ]
    if not found:
        return
    problem = f"the run had {', '.join(found)}, so that results may differ"
    if not any_version:
        raise StackError(f"{problem}: install the former, or repeat it anyway with --any-version")
    output.warn(problem)


def _trip_files(settings: Settings, output: Output, run: RunInfo) -> tuple[Path, ...]:
    """Return the trip file of each month of a run, checked; none if its trips are synthetic.

    Each is the one of `--data`, else where it was, else where `rushhour up` looks for it.
    """
    found = files_of_run(run, settings) if not run.synthetic else ()
    return tuple(
        _check_file(file or _fetch(settings, output, run, month, known), known, run)
        for month, known, file in zip(run.months, run.trip_files, found, strict=False)
    )


def _fetch(settings: Settings, output: Output, run: RunInfo, month: str, known: TripFile) -> Path:
    """Download a trip file that is not on this machine, if it is an official one."""
    if official_file(run.dataset, month).sha256 == known.sha256:
        from rushhour.simulator.commands.download import fetch  # noqa: PLC0415 - loads HTTPX

        return fetch(settings, output, month)
    where = "--data" if len(run.months) == 1 else "--data-dir"
    raise DataError(
        f"{known.path}: no such file: say where the trip file of the run is with {where} "
        f"({known.rows:,} rows, {known.size:,} bytes, sha256 {known.sha256})"
    )


def _check_file(file: Path, known: TripFile, run: RunInfo) -> Path:
    from producers.month.parquet import content_of  # noqa: PLC0415 - PyArrow is slow to import

    content = content_of(file, run.dataset)
    if content.sha256 != known.sha256:
        where = "--data" if len(run.months) == 1 else "--data-dir"
        raise DataError(
            f"{file} is not the trip file of the run: sha256 {content.sha256} instead of "
            f"{known.sha256}, {content.rows:,} rows instead of {known.rows:,}: name the right one "
            f"with {where}"
        )
    return file


def _notes(manifest: Manifest, schedule: Schedule) -> list[str]:
    """Return what cannot be repeated."""
    notes = []
    submissions, end = manifest.submissions, manifest.end
    if submissions.taken or submissions.rejected:
        count = sum(submissions.taken.values()) + sum(submissions.rejected.values())
        notes.append(
            f"the run had {count:,} submitted predictions, which are no part of its manifest: "
            "submit them again, or the keys of submissions will lack them"
        )
    if manifest.skipped:
        notes.append(
            f"the run had {manifest.skipped:,} records passed over (`rushhour skip`), which are "
            "not in its manifest: results may differ"
        )
    if manifest.commands_left_out:
        notes.append(
            f"the first {manifest.commands_left_out:,} commands to the clock were not kept"
        )
    if schedule.stop_at is not None and not end.is_whole:
        notes.append(
            f"the run was interrupted: Redis held a part of the hours after "
            f"{clock_label(schedule.stop_at)}, and the repetition ends there"
        )
    if schedule.stop_at is None and end.state not in {"finished", _ENDED}:
        notes.append("the manifest is of a run under way: it is repeated to its last hour")
    return notes
