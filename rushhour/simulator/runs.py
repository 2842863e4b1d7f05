"""Describe a run before it starts."""

from pathlib import Path

from rushhour.core.hours import WEEK_MS
from rushhour.core.rebase import shift_weeks
from rushhour.core.run import LOOP_END_TS, SYNTHETIC, RunInfo, new_run_id
from rushhour.core.settings import Settings
from rushhour.runtime.wall_clock import wall_ts


def describe_run(settings: Settings, file: Path | None, existing: RunInfo | None = None) -> RunInfo:
    """Return the run of these settings, with a new id and the models of this version.

    Parameters
    ----------
    existing
        The run that may be resumed: `--rebase now` means the week in which that one was described.

    Raises
    ------
    DataError
        If the file is of another dataset, or cannot be read.
    """
    # PyArrow and River are slow to import.
    from dataflows.forecasting.forecasters import model_names  # noqa: PLC0415
    from producers.month.parquet import FileContent, content_of  # noqa: PLC0415

    start_ts, end_ts = settings.window
    rebase = settings.rebase or ""
    weeks = shift_weeks(start_ts, rebase, wall_ts())
    if existing is not None and existing.rebase == rebase:
        weeks = existing.shift_weeks
    start_ts, end_ts = start_ts + weeks * WEEK_MS, end_ts + weeks * WEEK_MS
    content = FileContent(0, 0, "") if file is None else content_of(file, settings.dataset)
    return RunInfo(
        run_id=new_run_id(),
        dataset=settings.dataset,
        month=settings.month,
        source=SYNTHETIC if file is None else file.name,
        file="" if file is None else str(file.resolve()),
        start_ts=start_ts,
        end_ts=LOOP_END_TS if settings.loop else end_ts,
        dataflows=settings.dataflows,
        consumers=settings.consumers,
        surge=settings.surge,
        models=model_names(),
        rows=content.rows,
        size=content.size,
        sha256=content.sha256,
        loop_ts=end_ts if settings.loop else None,
        keep_hours=settings.keep_hours,
        rebase=rebase,
        shift_weeks=weeks,
    )
