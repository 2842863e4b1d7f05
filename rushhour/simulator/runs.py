"""Describe a run before it starts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rushhour.core.horizons import parse_horizons
from rushhour.core.hours import WEEK_MS
from rushhour.core.rebase import shift_weeks
from rushhour.core.run import LOOP_END_TS, SYNTHETIC, RunInfo, TripFile, new_run_id
from rushhour.core.settings import Settings
from rushhour.runtime.wall_clock import wall_ts


def describe_run(
    settings: Settings, files: Sequence[Path], existing: RunInfo | None = None
) -> RunInfo:
    """Return the run of these settings, with a new id and the models of this version.

    Parameters
    ----------
    files
        The trip file of each month, in order; none for synthetic trips.
    existing
        The run that may be resumed: `--rebase now` means the week in which that one was described.

    Raises
    ------
    DataError
        If a file is of another dataset, or cannot be read.
    UsageError
        If the run cannot begin with the saved model of the settings.
    """
    # PyArrow and River are slow to import.
    from dataflows.forecasting.forecasters import model_names  # noqa: PLC0415
    from producers.month.parquet import content_of  # noqa: PLC0415

    start_ts, end_ts = settings.window
    warm = _warm_start(settings, start_ts)
    rebase = settings.rebase or ""
    weeks = shift_weeks(start_ts, rebase, wall_ts())
    if existing is not None and existing.rebase == rebase:
        weeks = existing.shift_weeks
    start_ts, end_ts = start_ts + weeks * WEEK_MS, end_ts + weeks * WEEK_MS
    run = RunInfo(
        run_id=new_run_id(),
        dataset=settings.dataset,
        month=settings.month,
        source=SYNTHETIC,
        file="",
        start_ts=start_ts,
        end_ts=LOOP_END_TS if settings.loop else end_ts,
        dataflows=settings.dataflows,
        consumers=settings.consumers,
        surge=settings.surge,
        models=model_names(),
        loop_ts=end_ts if settings.loop else None,
        keep_hours=settings.keep_hours,
        rebase=rebase,
        shift_weeks=weeks,
        horizons=parse_horizons(settings.horizons),
        **warm,
    )
    contents = (content_of(file, settings.dataset) for file in files)
    return run.of_files(
        [
            TripFile(str(file.resolve()), content.rows, content.size, content.sha256)
            for file, content in zip(files, contents, strict=True)
        ]
    )


def _warm_start(settings: Settings, start_ts: int) -> dict[str, Any]:
    """Return the fields of a run that say what it begins with."""
    path = settings.warm_start
    if path is None:
        return {}
    from dataflows.forecasting.state.model_file import load_model  # noqa: PLC0415 - loads River

    model = load_model(path)
    model.check_fits(path, settings.dataset, start_ts, parse_horizons(settings.horizons))
    return {
        "warm_start": str(path.resolve()),
        "warm_sha256": model.sha256,
        "warm_hours": model.hours,
        "warm_origin": model.origin,
    }
