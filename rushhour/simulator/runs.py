"""Find the trips of a run, and describe the run before it starts."""

import uuid
from collections.abc import Callable
from pathlib import Path

from producers.datasets import locate, official_file
from producers.download import download
from producers.trips import check_file
from rushhour.core.run import SYNTHETIC, RunInfo
from rushhour.core.settings import Settings


def find_data(settings: Settings, progress: Callable[[int, int | None], None]) -> Path:
    """Return the trip file: from `--data`, the data directory or the cache, else downloaded.

    Raises
    ------
    UnreachableError
        If it has to be downloaded and the network does not let us.
    DataError
        If a file that the user named is not there or not of the dataset, or the download fails
        in another way.
    """
    file = locate(settings) or download(
        official_file(settings.dataset, settings.month), settings.cache_dir, progress
    )
    check_file(file, settings.dataset)
    return file


def describe_run(settings: Settings, file: Path | None) -> RunInfo:
    """Return what is about to be replayed, and by which models it is forecast."""
    from dataflows.forecasting.forecasters import model_names  # noqa: PLC0415 - imports River, which takes long

    start_ts, end_ts = settings.window
    return RunInfo(
        run_id=uuid.uuid4().hex,
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
    )
