"""Describe a run before it starts."""

from pathlib import Path

from rushhour.core.run import SYNTHETIC, RunInfo, new_run_id
from rushhour.core.settings import Settings


def describe_run(settings: Settings, file: Path | None) -> RunInfo:
    """Return the run of these settings, with a new id and the models of this version.

    Raises
    ------
    DataError
        If the file is of another dataset, or cannot be read.
    """
    # PyArrow and River are slow to import.
    from dataflows.forecasting.forecasters import model_names  # noqa: PLC0415
    from producers.month.parquet import FileContent, content_of  # noqa: PLC0415

    start_ts, end_ts = settings.window
    content = FileContent(0, 0, "") if file is None else content_of(file, settings.dataset)
    return RunInfo(
        run_id=new_run_id(),
        dataset=settings.dataset,
        month=settings.month,
        source=SYNTHETIC if file is None else file.name,
        file="" if file is None else str(file.resolve()),
        start_ts=start_ts,
        end_ts=end_ts,
        dataflows=settings.dataflows,
        consumers=settings.consumers,
        surge=settings.surge,
        models=model_names(),
        rows=content.rows,
        size=content.size,
        sha256=content.sha256,
    )
