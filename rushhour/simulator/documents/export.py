"""The document about an export."""

from collections.abc import Iterable
from pathlib import Path

from rushhour.simulator.documents import objects, schema
from rushhour.simulator.documents.run import hour_fields, run_document
from rushhour.simulator.export.files import TableFile
from rushhour.simulator.export.tables import Closed


def export_document(closed: Closed, directory: Path, files: Iterable[TableFile]) -> schema.Export:
    """Return what was exported."""
    return schema.Export(
        run=run_document(closed.run),
        last_closed=objects.Hour(**hour_fields(closed.last_ts)),
        hours_closed=closed.hours,
        directory=str(directory),
        files=[
            objects.TableFile(name=file.name, rows=file.rows, bytes=file.size) for file in files
        ],
    )
