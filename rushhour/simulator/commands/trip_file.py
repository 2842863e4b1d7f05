"""Find the trip files of a run and describe the run, with progress and notes for the user."""

from collections.abc import Sequence
from pathlib import Path

from producers.month.datasets import download_command, file_name, locate, official_file
from rushhour.core.errors import DataError, UnreachableError
from rushhour.core.labels import run_label
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.runs import describe_run


def wanted_run(settings: Settings, output: Output, existing: RunInfo | None) -> RunInfo:
    """Return the run of these settings: of trip files, else synthetic: see these two steps."""
    return describe(settings, output, find_trips(settings, output, existing), existing)


def find_trips(settings: Settings, output: Output, existing: RunInfo | None) -> tuple[Path, ...]:
    """Return the trip file of each month: `--data`, of the data directory or the cache, else new.

    A file that is not here is downloaded. Without a network and any of the files there is none,
    with a warning that the trips will be synthetic.

    Parameters
    ----------
    settings
        Name the file, or dataset and months.
    output
        Shows progress and warnings.
    existing
        The run that a synthetic one must not replace, if it is one of real trips.

    Raises
    ------
    DataError
        If a file that the user named does not exist, a download fails, some months have files and
        others cannot have them, or synthetic trips would replace a run of real ones.
    """
    files: list[Path] = []
    found = locate(settings)
    try:
        for month, file in found.items():
            files.append(file or _fetch(settings, output, month))
    except UnreachableError as error:
        if files or any(found.values()):
            missing = file_name(settings.dataset, month)
            raise DataError(
                f"{missing} is not on this machine, and {error}: get it with "
                f"{download_command(settings)}, or replay only the months whose files are here"
            ) from None
        if existing is not None and not existing.synthetic:
            raise DataError(
                f"no trip file, and synthetic trips do not replace a run of real ones "
                f"({run_label(existing)}): {error}; or name a file with --data, or start over "
                "with --new"
            ) from None
        output.warn(str(error))
        is_one = len(found) == 1
        output.warn(
            f"No trip file: replaying {'a SYNTHETIC month' if is_one else 'SYNTHETIC months'} "
            "instead, made up from mean rates. Name "
            f"{'a file with --data' if is_one else 'their directory with --data-dir'}, or try "
            f"{download_command(settings)} later."
        )
        return ()
    return tuple(files)


def files_of_run(run: RunInfo, settings: Settings) -> tuple[Path | None, ...]:
    """Return the trip file of each month of a run that has been: where it was, else elsewhere.

    That is `data`, the data directory or the cache of the settings; None for one that is nowhere.

    Raises
    ------
    UsageError
        If `data` names the one file of several months.
    DataError
        If `data` is not a file, or a directory cannot be searched.
    """
    of_run = {"dataset": run.dataset, "month": run.month}
    found = locate(settings.model_copy(update=of_run)).values()
    if settings.data is not None:
        return tuple(found)
    return tuple(
        was if (was := Path(known.path)).is_file() else file
        for known, file in zip(run.trip_files, found, strict=False)
    )


def _fetch(settings: Settings, output: Output, month: str) -> Path:
    from rushhour.simulator.commands.download import fetch  # noqa: PLC0415 - HTTPX is slow to import

    return fetch(settings, output, month)


def describe(
    settings: Settings, output: Output, files: Sequence[Path], existing: RunInfo | None = None
) -> RunInfo:
    """Return the run of trip files; of synthetic trips without any. `existing` may be resumed.

    A file of the data directory or the cache that has another content than the official one of
    its name gets a warning.

    Raises
    ------
    DataError
        If a file cannot be used.
    """
    run = describe_run(settings, files, existing)
    if settings.data is None:
        for month, file in zip(run.months, run.trip_files, strict=False):
            official = official_file(settings.dataset, month)
            if official.sha256 not in (None, file.sha256):
                output.warn(
                    f"{file.path} is not the official file (sha256 {file.sha256}, expected "
                    f"{official.sha256}): it may be damaged; delete it, and "
                    f"{download_command(settings)} gets it"
                )
    return run
