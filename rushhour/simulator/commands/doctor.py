"""`rushhour doctor`: say why predictions do not join with actual rides."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rushhour import views
from rushhour.core.errors import JoinError
from rushhour.core.settings import Settings
from rushhour.simulator.commands.checks import cannot_write
from rushhour.simulator.commands.output import Output
from rushhour.simulator.diagnosis.diagnose import Diagnosis, diagnose
from rushhour.simulator.diagnosis.table_files import read_table
from rushhour.simulator.documents.diagnosis import diagnosis_document
from rushhour.simulator.stack.open_run import open_run
from rushhour.simulator.terminal.diagnosis import diagnosis_screen
from rushhour.simulator.terminal.locations import location_label


def doctor(
    settings: Settings, output: Output, predictions: Path, actuals: Path | None, fix: Path | None
) -> None:
    """Print each cause, and write the mended predictions to the file `fix`.

    Raises
    ------
    DataError
        If a file cannot be read.
    JoinError
        If a row does not join, or cannot be scored.
    RedisFailure
        If the actual rides of a run are wanted, and there is none.
    """
    mine = read_table(predictions)
    theirs, label = _actuals(settings, actuals)
    diagnosis = diagnose(mine, theirs)
    written = fix if fix is not None and diagnosis.mended is not None else None
    if written is not None:
        _write(diagnosis.mended, written)
    if output.as_json:
        output.document(diagnosis_document(diagnosis, predictions, label, written))
    else:
        output.show(diagnosis_screen(diagnosis, predictions, label))
    if written is not None:
        output.note(f"{diagnosis.rows_mended:,} rows written to {written}")
    elif fix is not None:
        why = "nothing is to be mended" if diagnosis.is_healthy else "no cure is certain"
        output.note(f"{why}: {fix} is not written")
    if not diagnosis.is_healthy:
        raise JoinError(_failure(diagnosis, fix))


def _actuals(settings: Settings, file: Path | None) -> tuple[Any, str]:
    """Return the actual rides and where they are from."""
    if file is not None:
        return read_table(file), str(file)
    with open_run(settings) as opened:
        table = views.hourly_rides(opened.client)
        return pa.Table.from_pandas(table, preserve_index=False), location_label(opened)


def _write(table: Any, path: Path) -> None:
    try:
        pq.write_table(table, path)
    except OSError as error:
        raise cannot_write(path, "--fix", error) from None


def _failure(diagnosis: Diagnosis, fix: Path | None) -> str:
    """Return what is wrong in one line."""
    count = len(diagnosis.findings)
    causes = "1 cause" if count == 1 else f"{count} causes"
    apart = diagnosis.rows - diagnosis.joined
    what = (
        f"{apart:,} of {diagnosis.rows:,} rows do not join" if apart else "not all rows are right"
    )
    hint = ": --fix FILE mends what is certain" if fix is None and diagnosis.mended else ""
    return f"{what}, {causes}{hint}"
