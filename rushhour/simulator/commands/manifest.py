"""`rushhour manifest`: show the manifest of a run or of a file, or compare two of them."""

from pathlib import Path

from rushhour.core.errors import VerificationError
from rushhour.core.settings import Settings
from rushhour.simulator.commands.manifest_file import load_manifest
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents.manifest import Manifest, read_manifest
from rushhour.simulator.documents.manifest_differences import differences
from rushhour.simulator.stack.open_run import open_run
from rushhour.simulator.terminal.manifest import differences_screen, manifest_screen


def show_manifest(settings: Settings, output: Output, path: Path | None) -> None:
    """Print the manifest of a file; of the run without one."""
    manifest = _of_run(settings) if path is None else load_manifest(path)
    if output.as_json:
        output.document(manifest)
    else:
        output.show(manifest_screen(manifest))


def compare_manifests(output: Output, first: Path, second: Path) -> None:
    """Print how two manifests differ, and whether each difference can change the result.

    Raises
    ------
    VerificationError
        If one can.
    """
    found = list(differences(load_manifest(first), load_manifest(second)))
    if output.as_json:
        output.documents(found)
    else:
        output.show(differences_screen(found))
    count = sum(each.changes == "result" for each in found)
    if count:
        subject = "1 difference" if count == 1 else f"{count} differences"
        raise VerificationError(f"{subject} can change the result: {first} and {second}")


def _of_run(settings: Settings) -> Manifest:
    with open_run(settings) as opened:
        return read_manifest(opened.client)
