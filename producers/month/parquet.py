"""Open, check and identify TLC trip files in Parquet format.

Whatever is wrong with a file is a `DataError` in one line.

What is parsed is the content whose hash was taken: both are read from one open file, so another
file that takes its place changes nothing. A file that is written to meanwhile is refused. That is
told by its size and modification time: a write that the file system does not record there at once,
as one through a network or a memory map, can pass.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from producers.month.datasets import (
    PICKUP_COLUMNS,
    ZONE_COLUMN,
    is_a_directory,
    no_such_file,
    pickup_column,
)
from rushhour.core.errors import DataError

_MAGIC = b"PAR1"
_BATCH_ROWS = 128 * 1024
_T = TypeVar("_T")
# Batches of rows, each as two Arrow arrays: pickup times and zones.
Batches = Iterator[tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class FileContent:
    """What identifies the content of a file: its rows, its size in bytes and its sha256 (hex)."""

    rows: int
    size: int
    sha256: str


def content_of(path: Path, dataset: str) -> FileContent:
    """Check the columns of a TLC file of this dataset, and return what identifies its content.

    Raises
    ------
    DataError
        If the file is of another kind, cannot be read, or is written to meanwhile.
    """
    with _unchanged(path) as file:
        sha256 = _sha256(file)
        size = file.tell()
        with parquet_errors(path), pq.ParquetFile(file) as parquet:
            _check_schema(path, parquet.schema_arrow, dataset)
            return FileContent(parquet.metadata.num_rows, size, sha256)


def check_columns(path: Path, dataset: str) -> None:
    """Check the columns of a TLC file of this dataset, without reading its rows.

    Raises
    ------
    DataError
        If the file is of another kind, or cannot be read.
    """
    with (
        _file_errors(path),
        path.open("rb") as file,
        parquet_errors(path),
        pq.ParquetFile(file) as parquet,
    ):
        _check_schema(path, parquet.schema_arrow, dataset)


def read_columns(
    path: Path, dataset: str, sha256: str | None, use: Callable[[int, Batches], _T]
) -> _T:
    """Return what `use` makes of a TLC file: of its number of rows, and of them in batches.

    `use` is called while errors of Arrow are turned into a `DataError`.

    Raises
    ------
    DataError
        If the file is of another kind, cannot be read, is written to meanwhile, or has another
        sha256 than the given one.
    """
    columns = [pickup_column(dataset), ZONE_COLUMN]
    with _unchanged(path) as file:
        if sha256 is not None and (found := _sha256(file)) != sha256:
            raise DataError(
                f"{path} is not the file this run started with (sha256 {found}, expected "
                f"{sha256}): restore it, or start over with `rushhour prepare --new`"
            )
        with (
            parquet_errors(path),
            pq.ParquetFile(file, page_checksum_verification=True) as parquet,
        ):
            _check_schema(path, parquet.schema_arrow, dataset)
            batches = (
                (batch.column(columns[0]), batch.column(columns[1]))
                for batch in parquet.iter_batches(_BATCH_ROWS, columns=columns)
            )
            return use(parquet.metadata.num_rows, batches)


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Turn any failure to parse a file into one line for the user.

    Raises
    ------
    DataError
        If the block raises an error.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # a damaged file can make Arrow and NumPy raise almost anything
        if isinstance(error, OSError) and error.errno is not None:  # not one of Arrow's own
            raise _unreadable(path, error) from None
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise DataError(
            f"{path}: damaged Parquet file ({reason}): download it again"
            if _starts_as_parquet(path)
            else f"{path}: not a Parquet file: --data takes a TLC trip file in Parquet "
            "format, and for `backtest` also one of hourly rides"
        ) from error


@contextmanager
def _unchanged(path: Path) -> Iterator[BufferedReader]:
    """Open a file that nobody writes to until the end of the block.

    Raises
    ------
    DataError
        If the file cannot be read, or was written to.
    """
    with _file_errors(path), path.open("rb") as file:
        before = _written(file)
        yield file
        if _written(file) != before:
            raise DataError(f"{path} was written to while it was read: start again")


def _written(file: BufferedReader) -> tuple[int, int]:
    stat = os.fstat(file.fileno())
    return stat.st_size, stat.st_mtime_ns


def _sha256(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise no_such_file(path) from None
    except IsADirectoryError:
        raise is_a_directory(path) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: {error.strerror or error}: check the path and its permissions")


def _starts_as_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def _check_schema(path: Path, schema: Any, dataset: str) -> None:
    column = pickup_column(dataset)
    for other, other_column in PICKUP_COLUMNS.items():
        if column not in schema.names and other_column in schema.names:
            raise DataError(f"{path}: this is a {other} file: pass --dataset {other}")
    for name in (column, ZONE_COLUMN):
        if schema.names.count(name) != 1:
            raise DataError(f"{path}: has no column {name}: pass a TLC {dataset} trip file")
    time, zone = schema.field(column).type, schema.field(ZONE_COLUMN).type
    # With any other time zone these would be instants, not wall-clock times.
    if not pa.types.is_timestamp(time) or time.tz not in (None, "UTC"):
        raise DataError(
            f"{path}: column {column} is {time}, not a timestamp without a zone: "
            f"pass a TLC {dataset} trip file"
        )
    if not pa.types.is_integer(zone):
        raise DataError(
            f"{path}: column {ZONE_COLUMN} is {zone}, not whole numbers: "
            f"pass a TLC {dataset} trip file"
        )
