"""The content of a trip file: what identifies it, and what becomes of a damaged one."""

import hashlib
import os
import random
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from producers.month.parquet import FileContent, content_of, parquet_errors
from producers.month.trips import TripTable, read_trips
from rushhour.core.errors import DataError
from tests.fixtures.trips import sha256_of, write_trips

MONTH = "2024-10"
FLIPS = 300


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_trips(
        tmp_path / "trips.parquet",
        [(f"2024-10-{day:02d} 12:00:00", day) for day in range(1, 32)],
    )


def same(one: TripTable, other: TripTable) -> bool:
    return np.array_equal(one.pickup_ts, other.pickup_ts) and np.array_equal(one.zone, other.zone)


def test_the_content_is_rows_size_and_hash(file: Path) -> None:
    content = file.read_bytes()
    expected = FileContent(31, len(content), hashlib.sha256(content).hexdigest())
    assert content_of(file, "green") == expected


def test_a_file_is_read_with_its_own_hash_only(file: Path) -> None:
    expected = sha256_of(file)
    assert len(read_trips(file, "green", MONTH, expected)) == 31

    write_trips(file, [("2024-10-01 12:00:00", 1)])
    with pytest.raises(DataError) as caught:
        read_trips(file, "green", MONTH, expected)
    assert str(caught.value) == (
        f"{file} is not the file this run started with (sha256 {sha256_of(file)}, expected "
        f"{expected}): restore it, or start over with `rushhour prepare --new`"
    )


def while_hashing(change: Callable[[], object]) -> AbstractContextManager[object]:
    """Change something after the hash of a file was taken, and before it is parsed."""
    digest = hashlib.file_digest

    def then_change(file: Any, name: str) -> object:
        found = digest(file, name)
        change()
        return found

    return mock.patch("producers.month.parquet.hashlib.file_digest", then_change)


def test_a_file_that_is_replaced_after_its_hash_was_taken_is_not_parsed(file: Path) -> None:
    sha256, content = sha256_of(file), file.read_bytes()
    other = write_trips(file.with_name("other.parquet"), [("2024-10-01 12:00:00", 1)])
    with while_hashing(lambda: other.replace(file)):
        assert len(read_trips(file, "green", MONTH, sha256)) == 31
    file.write_bytes(content)
    other = write_trips(file.with_name("other.parquet"), [("2024-10-01 12:00:00", 1)])
    with while_hashing(lambda: other.replace(file)):
        assert content_of(file, "green") == FileContent(31, len(content), sha256)


def test_a_file_that_is_written_to_after_its_hash_was_taken_is_refused(file: Path) -> None:
    sha256, content = sha256_of(file), file.read_bytes()
    for read in (
        lambda: content_of(file, "green"),
        lambda: read_trips(file, "green", MONTH, sha256),
    ):
        os.utime(file, (0, 0))  # whatever the resolution of its times is
        with (
            while_hashing(lambda: file.write_bytes(content)),  # of the same size
            pytest.raises(DataError, match=r"^.* was written to while it was read: start again$"),
        ):
            read()


@pytest.mark.parametrize("checksums", [False, True])
def test_flipped_bits_never_end_in_a_traceback(tmp_path: Path, checksums: bool) -> None:
    draw = random.Random(10)
    start = datetime(2024, 10, 1)  # noqa: DTZ001 - as in the files, without a zone
    table = pa.table(
        {
            "lpep_pickup_datetime": pa.array(
                [start + timedelta(seconds=draw.randrange(31 * 86_400)) for _ in range(400)],
                pa.timestamp("us"),
            ),
            "PULocationID": pa.array([draw.randint(1, 265) for _ in range(400)], pa.int32()),
            "store_and_fwd_flag": [draw.choice("YN") for _ in range(400)],
        }
    )
    file = tmp_path / "trips.parquet"
    pq.write_table(table, file, write_page_checksum=checksums)
    content = file.read_bytes()
    right, sha256 = read_trips(file, "green", MONTH), sha256_of(file)
    results = {"right": 0, "other": 0, "refused": 0}

    for _ in range(FLIPS):
        damaged = bytearray(content)
        damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        file.write_bytes(damaged)
        with pytest.raises(DataError, match="is not the file this run started with"):
            read_trips(file, "green", MONTH, sha256)
        try:
            results["right" if same(read_trips(file, "green", MONTH), right) else "other"] += 1
            content_of(file, "green")
        except DataError as error:
            assert "\n" not in str(error)
            results["refused"] += 1

    assert results["refused"] > 0
    # Page headers have no checksum: a flip in one can still drop a page.
    assert results["other"] < (FLIPS // 10 if checksums else FLIPS)
    assert checksums or results["other"] > 0


@pytest.mark.parametrize(
    "error", [KeyError("time"), OverflowError(), MemoryError("1 EiB"), pa.ArrowInvalid("a\nb")]
)
def test_any_failure_of_parsing_is_one_line(file: Path, error: Exception) -> None:
    with (
        pytest.raises(DataError, match=r"damaged Parquet file \(.+\): download") as caught,
        parquet_errors(file),
    ):
        raise error
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_file_that_cannot_be_read_is_one_line() -> None:
    for read in (content_of, lambda path, dataset: read_trips(path, dataset, MONTH)):
        with pytest.raises(DataError, match=r"^/proc/self/mem: .*: check the path and its perm"):
            read(Path("/proc/self/mem"), "green")
