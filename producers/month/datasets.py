"""The official TLC files: names, URLs, known sizes and hashes, and where local copies are.

Months without a known size and hash can be downloaded too: then only the size that the server
states is checked.
"""

from dataclasses import dataclass
from pathlib import Path

from rushhour.core.errors import DataError, UsageError
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
    """One file of the TLC. `size` is in bytes; size and hash are None if unknown."""

    name: str
    url: str
    size: int | None
    sha256: str | None


def file_name(dataset: str, month: str) -> str:
    """Return the file name of the TLC for a month of a dataset.

    >>> file_name("green", "2024-10")
    'green_tripdata_2024-10.parquet'
    """
    return f"{dataset}_tripdata_{month}.parquet"


def pickup_column(dataset: str) -> str:
    """Return the column of the pickup time.

    Raises
    ------
    DataError
        If the dataset is unknown.
    """
    try:
        return PICKUP_COLUMNS[dataset]
    except KeyError:
        raise DataError(f"unknown dataset '{dataset}': use {' or '.join(PICKUP_COLUMNS)}") from None


def official_file(dataset: str, month: str) -> OfficialFile:
    """Return the official file of a month.

    Raises
    ------
    DataError
        If the dataset is unknown.
    UsageError
        If the month is invalid.
    """
    pickup_column(dataset)
    parse_month(month)
    name = file_name(dataset, month)
    size, sha256 = _KNOWN.get(name, (None, None))
    return OfficialFile(name, BASE_URL + name, size, sha256)


def locate(settings: Settings) -> dict[str, Path | None]:
    """Return the trip file of each month to replay; None for one that is not on this machine.

    Looks at `data`, then in `data_dir`, then in `cache_dir`. Hashes are not checked, because users
    may replay files of their own.

    Raises
    ------
    UsageError
        If `data` names the one file of several months.
    DataError
        If `data` is not a file, or a directory cannot be searched.
    """
    months = settings.months
    if settings.data is not None and len(months) > 1:
        raise UsageError(
            f"--data {settings.data} is the file of one month: for {settings.month}, name the "
            "directory of the files with --data-dir"
        )
    return {month: _locate(settings, month) for month in months}


def _locate(settings: Settings, month: str) -> Path | None:
    if settings.data is not None:
        if not _is_file(settings.data):
            is_directory = settings.data.is_dir()
            raise is_a_directory(settings.data) if is_directory else no_such_file(settings.data)
        return settings.data
    if settings.data_dir is not None and not settings.data_dir.is_dir():
        raise DataError(f"{settings.data_dir}: no such directory: check --data-dir")
    name = file_name(settings.dataset, month)
    for directory in (settings.data_dir, settings.cache_dir):
        if directory is not None and _is_file(directory / name):
            return directory / name
    return None


def download_command(settings: Settings) -> str:
    """Return the command that gets the files of several months; without flags for one month.

    >>> download_command(Settings.load(dataset="green", month="2024-08..2024-10"))
    '`rushhour download --dataset green --month 2024-08..2024-10`'
    """
    if len(settings.months) == 1:
        return "`rushhour download`"
    return f"`rushhour download --dataset {settings.dataset} --month {settings.month}`"


def is_a_directory(path: Path) -> DataError:
    """Return the error of a directory where a trip file is expected."""
    return DataError(
        f"{path}: is a directory: pass a TLC trip file (Parquet) as --data, "
        "or this directory as --data-dir"
    )


def no_such_file(path: Path) -> DataError:
    """Return the error of a trip file that does not exist."""
    return DataError(f"{path}: no such file: check --data and --data-dir")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}: check the path and its permissions") from None
