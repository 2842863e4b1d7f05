"""Find the trip file of a run and describe the run, with progress and notes for the user."""

from pathlib import Path

from producers.datasets import official_file
from rushhour.core.errors import DataError, UnreachableError
from rushhour.core.labels import run_label
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.simulator.commands.download import download_progress
from rushhour.simulator.commands.output import Output
from rushhour.simulator.runs import describe_run, find_data


def wanted_run(settings: Settings, output: Output, existing: RunInfo | None) -> RunInfo:
    """Return the run of these settings: of a trip file, else synthetic, with a warning why.

    A file of the data directory or the cache that has another content than the official one of
    its name gets a warning too.

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
        If a file that the user named cannot be used, a download fails, or synthetic trips would
        replace a run of real ones.
    """
    run = describe_run(settings, _locate_or_download(settings, output, existing))
    official = official_file(settings.dataset, settings.month)
    if settings.data is None and run.sha256 and official.sha256 not in (None, run.sha256):
        output.warn(
            f"{run.file} is not the official file (sha256 {run.sha256}, expected "
            f"{official.sha256}): it may be damaged; delete it, and `rushhour download` gets it"
        )
    return run


def _locate_or_download(
    settings: Settings, output: Output, existing: RunInfo | None
) -> Path | None:
    try:
        with download_progress(output, settings) as advance:
            return find_data(settings, advance)
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
