"""Arguments that are refused before any work is done, and files that commands write."""

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rushhour.core.errors import UsageError
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE

if TYPE_CHECKING:  # pandas takes long to import, and most commands do without it
    import pandas as pd


def check_zone(zone: int) -> None:
    """Refuse an unknown zone.

    Raises
    ------
    UsageError
        If the zone does not exist.
    """
    if not FIRST_ZONE <= zone <= LAST_ZONE:
        raise UsageError(f"zone {zone} does not exist: zones are {FIRST_ZONE} to {LAST_ZONE}")


def check_writable(path: Path, flag: str) -> None:
    """Refuse a file that cannot be written, before the work whose result it is for.

    Raises
    ------
    UsageError
        If its directory does not exist, or it cannot be written.
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
    """Return the error about a file that cannot be written."""
    return UsageError(f"{path}: {error.strerror or error}: choose another {flag}")
