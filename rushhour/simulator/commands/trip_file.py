"""Find the trip file of a run, with progress and notes for the user."""

from pathlib import Path

from rushhour.core.errors import UnreachableError
from rushhour.core.settings import Settings
from rushhour.simulator.commands.download import download_progress
from rushhour.simulator.commands.output import Output
from rushhour.simulator.runs import find_data


def locate_or_download(settings: Settings, output: Output) -> Path | None:
    """Return the trip file, or None for a synthetic month, with a warning that says why.

    Raises
    ------
    DataError
        If a file that the user named cannot be used, or a download fails.
    """
    try:
        with download_progress(output, settings) as advance:
            return find_data(settings, advance)
    except UnreachableError as error:
        output.warn(str(error))
        output.warn(
            "No trip file: replaying a SYNTHETIC month instead, made up from mean rates. "
            "Name a file with --data, or try `rushhour download` later."
        )
        return None
