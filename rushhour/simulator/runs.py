"""Find the trip file of a run, and describe the run before it starts."""

import secrets
from collections.abc import Callable
from pathlib import Path

from producers.datasets import locate, official_file
from producers.download import download
from producers.parquet import FileContent, content_of
from rushhour.core.run import SYNTHETIC, RunInfo
from rushhour.core.settings import Settings


def find_data(settings: Settings, progress: Callable[[int, int | None], None]) -> Path:
    """Return the trip file: `--data`, or one of the data directory or the cache, else a download.

    Raises
    ------
    UnreachableError
        If it has to be downloaded and the network is unreachable.
    DataError
        If the file of `--data` does not exist, or the download fails for another reason.
    """
    return locate(settings) or download(
        official_file(settings.dataset, settings.month), settings.cache_dir, progress
    )


def describe_run(settings: Settings, file: Path | None) -> RunInfo:
    """Return the run of these settings, with a new id and the models of this version.

    Raises
    ------
    DataError
        If the file is of another dataset, or cannot be read.
    """
    from dataflows.forecasting.forecasters import model_names  # noqa: PLC0415 - River is slow to import

    start_ts, end_ts = settings.window
    content = FileContent(0, 0, "") if file is None else content_of(file, settings.dataset)
    return RunInfo(
        run_id=secrets.token_hex(6),
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
