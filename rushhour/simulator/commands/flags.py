"""Flags that more than one command has, and how commands write to the terminal."""

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rushhour.core.errors import UsageError
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE

if TYPE_CHECKING:  # it takes long to import, and most commands do without
    import pandas as pd

DatasetFlag = Annotated[str | None, typer.Option("--dataset", help="yellow or green")]
MonthFlag = Annotated[str | None, typer.Option("--month", help="month, such as 2024-10")]
FromFlag = Annotated[str | None, typer.Option("--from", help="first hour, such as '2024-10-02'")]
UntilFlag = Annotated[
    str | None, typer.Option("--until", help="last hour, included; a date means all of that day")
]
SurgeFlag = Annotated[
    str | None,
    typer.Option("--surge", help="what if: multiply a zone's trips, such as 132:2.0@2024-10-20"),
]
DataFlag = Annotated[Path | None, typer.Option("--data", help="TLC Parquet file to read")]
DataDirFlag = Annotated[
    Path | None, typer.Option("--data-dir", help="directory to look for TLC files in")
]
CacheDirFlag = Annotated[
    Path | None, typer.Option("--cache-dir", help="directory where downloads are kept")
]
RedisFlag = Annotated[str | None, typer.Option("--redis", help="Redis URL, if not the embedded")]
KafkaFlag = Annotated[
    str | None, typer.Option("--kafka", help="bootstrap servers, if not the embedded")
]
StateFlag = Annotated[
    Path | None, typer.Option("--state-dir", help="where the embedded run keeps its data")
]
DataflowsFlag = Annotated[
    int | None, typer.Option("--dataflows", help="dataflow processes that share the run")
]
ConsumersFlag = Annotated[
    int | None, typer.Option("--consumers", help="consumers that share the run")
]


def open_console() -> Console:
    """Return the console that commands write to."""
    return Console(highlight=False, markup=False)  # file names may hold brackets


def check_zone(zone: int) -> None:
    """Refuse what is no zone.

    Raises
    ------
    UsageError
        If there is no such zone.
    """
    if not FIRST_ZONE <= zone <= LAST_ZONE:
        raise UsageError(f"zone {zone} does not exist: zones are {FIRST_ZONE} to {LAST_ZONE}")


def check_writable(path: Path, flag: str) -> None:
    """Refuse a file that cannot be written, before the work of which it is to tell.

    Raises
    ------
    UsageError
        If its directory is not there, or must not be written.
    """
    code = 0
    if path.is_dir():
        code = errno.EISDIR
    elif not path.parent.is_dir():
        code = errno.ENOENT
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        code = errno.EACCES
    if code:
        raise cannot_write(path, flag, OSError(code, os.strerror(code)))


def save_csv(table: "pd.DataFrame", path: Path) -> None:
    """Write a table to the file that `--csv` names.

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    try:
        table.to_csv(path, index=False)
    except OSError as error:
        raise cannot_write(path, "--csv", error) from None


def cannot_write(path: Path, flag: str, error: OSError) -> UsageError:
    """Return what to say of a file that cannot be written."""
    return UsageError(f"{path}: {error.strerror or error}: choose another {flag}")
