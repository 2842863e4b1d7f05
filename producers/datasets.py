"""What is known about the official TLC files, and where a copy may already be.

A month whose size and hash are not listed here can be downloaded too: then only the size that
the server states is checked.
"""

from dataclasses import dataclass
from pathlib import Path

from rushhour.core.errors import DataError
from rushhour.core.hours import parse_month
from rushhour.core.settings import Settings

BASE_URL = "https://d37ci6vzurychx.cloudfront.net/trip-data/"
ZONE_COLUMN = "PULocationID"
PICKUP_COLUMNS = {"yellow": "tpep_pickup_datetime", "green": "lpep_pickup_datetime"}

# File name to size in bytes and sha256.
_KNOWN = {
    "yellow_tripdata_2024-09.parquet": (
        61_170_186,
        "2f42e4a383a6635de803001462848d0aee2b47f6ce899126805d2d05361fb843",
    ),
    "yellow_tripdata_2024-10.parquet": (
        64_346_071,
        "d19fe05aa0b259af24eb47051735293287f1e6dc263ba04030ec1ab4c6ec2650",
    ),
    "yellow_tripdata_2024-11.parquet": (
        60_658_709,
        "5ef321876de5007a7c147a347389133fc94fd7ac28f82eb1d57d8f2cf05cfd3b",
    ),
    "green_tripdata_2024-10.parquet": (
        1_353_731,
        "6e737b7c4edac91f865aa210f7110d0118a9992b3a96720936e090277c24edaa",
    ),
}


@dataclass(frozen=True, slots=True)
class OfficialFile:
    """One file of the TLC. `size` is in bytes; None where size or hash are not known."""

    name: str
    url: str
    size: int | None
    sha256: str | None


def file_name(dataset: str, month: str) -> str:
    """Return the name that the TLC gives to a month of a dataset.

    >>> file_name("green", "2024-10")
    'green_tripdata_2024-10.parquet'
    """
    return f"{dataset}_tripdata_{month}.parquet"


def pickup_column(dataset: str) -> str:
    """Return the column that holds the pickup time.

    Raises
    ------
    DataError
        If the dataset is none that rushhour can read.
    """
    try:
        return PICKUP_COLUMNS[dataset]
    except KeyError:
        raise DataError(
            f"dataset '{dataset}' is not known: use {' or '.join(PICKUP_COLUMNS)}"
        ) from None


def official_file(dataset: str, month: str) -> OfficialFile:
    """Return what is known about the official file of a month.

    Raises
    ------
    DataError
        If the dataset is none that rushhour can read.
    UsageError
        If the month is not a month.
    """
    pickup_column(dataset)
    parse_month(month)
    name = file_name(dataset, month)
    size, sha256 = _KNOWN.get(name, (None, None))
    return OfficialFile(name, BASE_URL + name, size, sha256)


def locate(settings: Settings) -> Path | None:
    """Return the trip file to replay if it is on this machine, or None.

    Looks at `data`, then in `data_dir`, then in `cache_dir`. A file that is found is taken as
    it is: its hash is not checked, because a user may replay a file of their own.

    Raises
    ------
    DataError
        If `data` names no file, or a directory cannot be searched.
    """
    if settings.data is not None:
        if not _is_file(settings.data):
            raise DataError(f"{settings.data}: no such file: check --data")
        return settings.data
    if settings.data_dir is not None and not settings.data_dir.is_dir():
        raise DataError(f"{settings.data_dir}: no such directory: check --data-dir")
    name = file_name(settings.dataset, settings.month)
    for directory in (settings.data_dir, settings.cache_dir):
        if directory is not None and _is_file(directory / name):
            return directory / name
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}: check the path and its permissions") from None
