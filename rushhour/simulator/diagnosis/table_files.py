"""Files of predictions and of actual rides: Parquet, or CSV."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from rushhour.core.errors import DataError

_CSV = ".csv"
_PARQUET_MAGIC = b"PAR1"


def read_table(file: Path) -> Any:
    """Read a file as an Arrow table, with the types that it has.

    A CSV file has no types: whole numbers are int64, other numbers float64, ISO 8601 times
    timestamps (in UTC if all have a zone, else without one), all else text.

    Raises
    ------
    DataError
        If the file cannot be read, has no rows, or has two columns of one name.
    """
    try:
        table = _read(file)
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError(f"{file}: not a readable Parquet or CSV file ({reason})") from None
    names = table.column_names
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{file}: has two columns {name}: rename or drop one of them")
    if not table.num_rows:
        raise DataError(f"{file}: has no rows: name a file with rows")
    return table


def _read(file: Path) -> Any:
    if not file.is_file():
        raise DataError(f"{file}: no such file: check its name")
    with file.open("rb") as opened:
        is_parquet = opened.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    if not is_parquet and file.suffix.lower() == _CSV:
        return pyarrow.csv.read_csv(file)
    return pq.read_table(file)
