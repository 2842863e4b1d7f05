from pathlib import Path

import pytest

from producers.month.datasets import OfficialFile, file_name, locate, official_file, pickup_column
from rushhour.core.errors import DataError, UsageError
from rushhour.core.settings import Settings

NAME = "yellow_tripdata_2024-10.parquet"


@pytest.fixture
def directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A data and a cache directory, and an environment without settings."""
    for field in Settings.model_fields:
        monkeypatch.delenv(Settings.env_name(field), raising=False)
    found = tmp_path / "data", tmp_path / "cache"
    for directory in found:
        directory.mkdir()
    return found


def settings(directories: tuple[Path, Path], **flags: object) -> Settings:
    data_dir, cache_dir = directories
    return Settings.load(**{"data_dir": data_dir, "cache_dir": cache_dir} | flags)


def test_a_known_file_has_its_size_and_hash() -> None:
    assert official_file("yellow", "2024-10") == OfficialFile(
        NAME,
        "https://d37ci6vzurychx.cloudfront.net/trip-data/yellow_tripdata_2024-10.parquet",
        64_346_071,
        "d19fe05aa0b259af24eb47051735293287f1e6dc263ba04030ec1ab4c6ec2650",
    )


def test_another_month_has_only_its_address() -> None:
    file = official_file("green", "2023-01")
    assert file.url.endswith("/green_tripdata_2023-01.parquet")
    assert (file.size, file.sha256) == (None, None)


def test_every_known_hash_is_well_formed() -> None:
    for dataset, month in (
        ("yellow", "2024-09"),
        ("yellow", "2024-10"),
        ("yellow", "2024-11"),
        ("green", "2024-10"),
    ):
        file = official_file(dataset, month)
        assert file.sha256 is not None
        assert len(bytes.fromhex(file.sha256)) == 32


def test_an_unknown_dataset_or_month_is_refused() -> None:
    with pytest.raises(DataError, match="unknown dataset 'fhv': use yellow or green"):
        official_file("fhv", "2024-10")
    with pytest.raises(UsageError, match="2024-13"):
        official_file("green", "2024-13")
    assert pickup_column("green") == "lpep_pickup_datetime"


def find(settings: Settings) -> Path | None:
    (file,) = locate(settings).values()
    return file


def test_nothing_is_found_in_empty_directories(directories: tuple[Path, Path]) -> None:
    assert find(settings(directories)) is None
    assert find(settings(directories, data_dir=None)) is None


def test_a_data_dir_that_does_not_exist_is_an_error(directories: tuple[Path, Path]) -> None:
    (directories[1] / NAME).touch()
    with pytest.raises(DataError, match=r"/missing: no such directory: check --data-dir"):
        locate(settings(directories, data_dir=directories[0] / "missing"))


def test_a_cache_dir_that_does_not_exist_yet_is_none(directories: tuple[Path, Path]) -> None:
    assert find(settings(directories, cache_dir=directories[1] / "missing")) is None


def test_the_order_is_data_then_data_dir_then_cache_dir(directories: tuple[Path, Path]) -> None:
    data_dir, cache_dir = directories
    (cache_dir / NAME).touch()
    assert find(settings(directories)) == cache_dir / NAME
    assert find(settings(directories, data_dir=None)) == cache_dir / NAME
    (data_dir / NAME).touch()
    assert find(settings(directories)) == data_dir / NAME
    own = data_dir / "own.parquet"
    own.touch()
    assert find(settings(directories, data=own)) == own


def test_another_dataset_or_month_is_not_found(directories: tuple[Path, Path]) -> None:
    (directories[0] / NAME).touch()
    assert find(settings(directories, dataset="green")) is None
    assert find(settings(directories, month="2024-09")) is None


def test_a_part_or_a_directory_is_not_a_trip_file(directories: tuple[Path, Path]) -> None:
    data_dir, cache_dir = directories
    (data_dir / NAME).mkdir()
    (cache_dir / f"{NAME}.part").touch()
    assert find(settings(directories)) is None


def test_data_that_does_not_exist_is_an_error(directories: tuple[Path, Path]) -> None:
    (directories[0] / NAME).touch()
    missing = directories[0] / "missing.parquet"
    with pytest.raises(DataError, match=r"missing\.parquet: no such file: check --data"):
        locate(settings(directories, data=missing))


def test_a_directory_as_data_is_an_error_that_names_data_dir(
    directories: tuple[Path, Path],
) -> None:
    with pytest.raises(DataError, match=r"is a directory: .*Parquet.*as --data-dir"):
        locate(settings(directories, data=directories[0]))


def test_a_path_that_the_system_refuses_is_an_error(directories: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match="File name too long: check the path"):
        locate(settings(directories, data=directories[0] / ("x" * 1_000)))


# Several months.


def test_each_month_is_looked_for_by_itself(directories: tuple[Path, Path]) -> None:
    data_dir, cache_dir = directories
    first, last = (file_name("yellow", month) for month in ("2023-12", "2024-02"))
    (data_dir / first).touch()
    (cache_dir / last).touch()
    assert locate(settings(directories, month="2023-12..2024-02")) == {
        "2023-12": data_dir / first,
        "2024-01": None,
        "2024-02": cache_dir / last,
    }


def test_data_names_the_file_of_one_month(directories: tuple[Path, Path]) -> None:
    own = directories[0] / "own.parquet"
    own.touch()
    assert find(settings(directories, data=own, month="2024-10..2024-10")) == own
    with pytest.raises(UsageError) as caught:
        locate(settings(directories, data=own, month="2024-09..2024-10"))
    assert str(caught.value) == (
        f"--data {own} is the file of one month: for 2024-09..2024-10, name the directory of the "
        "files with --data-dir"
    )
