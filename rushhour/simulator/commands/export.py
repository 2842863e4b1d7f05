"""`rushhour export`: write the tables of a run as Parquet files."""

from pathlib import Path

from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents.export import export_document
from rushhour.simulator.export.files import export as write_files
from rushhour.simulator.export.tables import Closed
from rushhour.simulator.stack.open_run import open_run
from rushhour.simulator.terminal.export import export_screen


def export(settings: Settings, output: Output, directory: Path) -> None:
    """Write the tables of the closed hours to a new directory, and print its files.

    Raises
    ------
    RedisFailure
        If there is no run, or no hour of it is closed.
    UsageError
        If the directory cannot be written.
    """
    with open_run(settings) as opened:
        closed = Closed.read(opened.client)
        files = write_files(opened.client, closed, directory)
    if output.as_json:
        output.document(export_document(closed, directory, files))
    else:
        output.show(export_screen(closed, files))
        output.note(f"{len(files)} tables written to {directory}")
