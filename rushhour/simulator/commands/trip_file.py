"""Find the trip file of a run and describe the run, with progress and notes for the user."""

from pathlib import Path

from producers.month.datasets import locate, official_file
from rushhour.core.errors import DataError, UnreachableError
from rushhour.core.labels import run_label
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.runs import describe_run


def wanted_run(settings: Settings, output: Output, existing: RunInfo | None) -> RunInfo:
    """Return the run of these settings: of a trip file, else synthetic: see these two steps."""
    return describe(settings, output, find_trips(settings, output, existing), existing)


def find_trips(settings: Settings, output: Output, existing: RunInfo | None) -> Path | None:
    """Return the trip file: `--data`, or one of the data directory or the cache, else a download.

    Without a network it is None, with a warning that the trips will be synthetic.

    Parameters
    ----------
    settings
        Name the file, or dataset and month.
    output
        Shows progress and warnings.
    existing
        The run that a synthetic one must not replace, if it is one of real trips.

    Raises
    ------
    DataError
        If a file that the user named does not exist, a download fails, or synthetic trips would
        replace a run of real ones.
    """
    found = locate(settings)
    if found is not None:
        return found
    from rushhour.simulator.commands.download import fetch  # noqa: PLC0415 - HTTPX is slow to import

    try:
        return fetch(settings, output)
    except UnreachableError as error:
        if existing is not None and not existing.synthetic:
            raise DataError(
                f"no trip file, and synthetic trips do not replace a run of real ones "
                f"({run_label(existing)}): {error}; or name a file with --data, or start over "
                "with --new"
            ) from None
        output.warn(str(error))
        output.warn(
            "No trip file: replaying a SYNTHETIC month instead, made up from mean rates. "
            "Name a file with --data, or try `rushhour download` later."
        )
        return None


def describe(
    settings: Settings, output: Output, file: Path | None, existing: RunInfo | None = None
) -> RunInfo:
    """Return the run of a trip file; of synthetic trips without one. `existing` may be resumed.

    A file of the data directory or the cache that has another content than the official one of
    its name gets a warning.

    Raises
    ------
    DataError
        If the file cannot be used.
    """
    run = describe_run(settings, file, existing)
    official = official_file(settings.dataset, settings.month)
    if settings.data is None and run.sha256 and official.sha256 not in (None, run.sha256):
        output.warn(
            f"{run.file} is not the official file (sha256 {run.sha256}, expected "
            f"{official.sha256}): it may be damaged; delete it, and `rushhour download` gets it"
        )
    return run
