"""Find the trip file of a run, with progress and notes for the user."""

from pathlib import Path

from rushhour.core.errors import DataError, UnreachableError
from rushhour.core.labels import run_label
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.simulator.commands.download import download_progress
from rushhour.simulator.commands.output import Output
from rushhour.simulator.runs import find_data


def locate_or_download(
    settings: Settings, output: Output, existing: RunInfo | None = None
) -> Path | None:
    """Return the trip file, or None for a synthetic month, with a warning that says why.

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
