"""Several months in a row on the command line: run, verified, repeated, and refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.month.datasets import file_name
from tests.fixtures.command import Rushhour
from tests.fixtures.trips import TripRow, write_trips

MONTHS = "2023-12..2024-02"
ROWS: dict[str, list[TripRow]] = {
    "2023-12": [(f"2023-12-31 {hour:02}:30:00", 132) for hour in range(24)],
    "2024-01": [(f"2024-01-31 {hour:02}:30:00", 79) for hour in range(24)] + [(None, 1)],
    "2024-02": [(f"2024-02-{day:02} 00:00:00", 43) for day in range(1, 30)],
}
SPAN = ("--from", "2023-12-31", "--until", "2024-02-01")


def write_months(directory: Path, *months: str) -> Path:
    """Write the files of months into a new directory, and return it."""
    directory.mkdir()
    for month in months or ROWS:
        write_trips(directory / file_name("green", month), ROWS[month])
    return directory


def flags(directory: Path) -> tuple[object, ...]:
    return ("--dataset", "green", "--month", MONTHS, "--data-dir", directory)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_months(tmp_path_factory.mktemp("months") / "files")


@pytest.fixture(scope="module")
def after_run(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rushhour]:
    """The command, after a run of the three months."""
    command = Rushhour(tmp_path_factory.mktemp("rushhour"))
    done = command("up", *flags(directory), *SPAN, "--speed", "max")
    assert done.code == 0, done.stderr
    assert "green 2023-12..2024-02, 3 files" in done.words
    yield command
    command.close()


def test_each_file_of_a_run_is_verified(after_run: Rushhour) -> None:
    done = after_run("verify")
    assert (done.code, done.stderr) == (0, "")
    found = [
        line for line in done.stdout.splitlines() if "the trip file is that of the run" in line
    ]
    assert [line.split(": ")[1] for line in found] == [file_name("green", month) for month in ROWS]
    assert f"{33 * 24} of {33 * 24} hours are closed" in done.words


def test_files_that_have_moved_are_found_in_the_data_directory_and_checked(
    after_run: Rushhour, directory: Path
) -> None:
    file = directory / file_name("green", "2024-01")
    moved = directory.with_name("moved")
    moved.mkdir()
    file.rename(moved / file.name)
    try:
        missing = after_run("verify")
        found = after_run("verify", env={"RUSHHOUR_DATA_DIR": str(moved)})
        named = after_run("verify", "--data", moved / file.name)
        repeated = after_run("replay", after_run.state_dir / "manifest.json", "--exit")
        write_trips(directory / file.name, [("2024-01-01 00:00:00", 1)])
        other = after_run("verify")
    finally:
        (moved / file.name).replace(file)
    assert missing.code == 3
    assert missing.one_line() == (
        f"rushhour: {file}: no such file: put it back, or into the directory that "
        "RUSHHOUR_DATA_DIR names"
    )
    assert (found.code, found.stderr) == (0, "")
    assert named.code == 2
    assert "is the file of one month: for 2023-12..2024-02, name the directory" in named.one_line()
    assert repeated.code == 3
    assert repeated.one_line().startswith(
        f"rushhour: {file}: no such file: say where the trip file of the run is with --data-dir ("
    )
    assert other.code != 0
    assert "FAIL the trip file is that of the run: green_tripdata_2024-01.parquet" in other.stdout


def test_documents_and_exports_name_each_file(after_run: Rushhour, tmp_path: Path) -> None:
    run = json.loads(after_run("status", "--json").stdout)["run"]
    assert (run["month"], run["source"], run["hours"]) == (MONTHS, "3 files", 33 * 24)
    manifest = after_run.state_dir / "manifest.json"
    shown = after_run("manifest", manifest)
    exported = after_run("export", tmp_path / "tables")
    about = next((tmp_path / "tables").rglob("*.txt")).read_text("utf-8")
    report = after_run("report", "--html", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    for done in (shown, exported, report):
        assert done.code == 0, done.stderr
    for month in ROWS:
        for text in (shown.stdout, about, page):
            assert file_name("green", month) in text


def test_a_run_of_several_months_is_repeated(after_run: Rushhour, tmp_path: Path) -> None:
    again = Rushhour(tmp_path)
    manifest = after_run.state_dir / "manifest.json"
    done = again("replay", manifest, "--exit")
    differences = again("manifest", manifest, again.state_dir / "manifest.json", "--json")
    again.close()
    assert done.code == 0, done.stderr
    changes = [json.loads(line)["changes"] for line in differences.stdout.splitlines()]
    assert "result" not in changes


# Without a run.


def test_a_backtest_replays_the_months_as_one(rushhour: Rushhour, directory: Path) -> None:
    done = rushhour("backtest", *flags(directory), "--json")
    assert done.code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["hours"] == (31 + 31 + 29) * 24
    assert document["rides"] == 24 + 24 + 29
    assert document["source"] == "green 2023-12..2024-02, 3 files"


def test_synthetic_months_have_a_day_of_24_hours_when_clocks_go_back(rushhour: Rushhour) -> None:
    span = ("--from", "2024-10-31", "--until", "2024-11-04")
    args = ("backtest", "--synthetic", "--dataset", "green", *span, "--json")
    done = rushhour(*args, "--month", "2024-10..2024-11")
    assert done.code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["hours"] == 5 * 24
    assert "green 2024-10..2024-11, SYNTHETIC" in document["source"]


def test_one_month_in_a_row_is_that_month(rushhour: Rushhour, directory: Path) -> None:
    args = ("backtest", "--dataset", "green", "--data-dir", directory, "--json", "--month")
    documents = [
        json.loads(rushhour(*args, text).stdout) for text in ("2024-02", "2024-02..2024-02")
    ]
    one, other = ({k: v for k, v in each.items() if not k.endswith("_s")} for each in documents)
    assert one == other
    assert one["source"] == "green 2024-02, green_tripdata_2024-02.parquet"


def test_a_month_without_a_file_is_named_with_the_command_that_gets_it(
    rushhour: Rushhour, tmp_path: Path
) -> None:
    found = write_months(tmp_path / "files", "2023-12", "2024-02")
    command = "`rushhour download --dataset green --month 2023-12..2024-02`"
    for name in ("backtest", "up"):
        done = rushhour(name, *flags(found))
        assert done.code == 3
        line = done.one_line()
        assert line.startswith("rushhour: green_tripdata_2024-01.parquet is not on this machine")
        assert command in line


def test_without_any_file_and_a_network_the_months_are_synthetic(rushhour: Rushhour) -> None:
    months = ("--dataset", "green", "--month", "2023-12..2024-01")
    span = ("--from", "2023-12-31 20:00", "--until", "2024-01-01 03:00")
    done = rushhour("up", *months, *span, "--speed", "max")
    assert done.code == 0, done.stderr
    assert "replaying SYNTHETIC months instead" in done.stderr
    assert rushhour("verify").code == 0


@pytest.mark.parametrize(
    ("month", "message"),
    [
        ("2024-10..2024-08", "month '2024-10..2024-08' ends before it begins"),
        ("2024-08..", "month '2024-08..' is not a month, nor several in a row"),
        ("2019-01..2024-01", "means 61 months: use at most 60 in a row"),
    ],
)
def test_what_is_not_months_in_a_row_is_refused(
    rushhour: Rushhour, month: str, message: str
) -> None:
    for command in ("up", "backtest", "download", "config"):
        done = rushhour(command, "--month", month)
        assert done.code == 2
        assert message in done.one_line()


def test_data_is_the_file_of_one_month(rushhour: Rushhour, directory: Path) -> None:
    file = directory / file_name("green", "2024-01")
    for command in ("up", "backtest"):
        done = rushhour(command, "--dataset", "green", "--month", MONTHS, "--data", file)
        assert done.code == 2
        assert "name the directory of the files with --data-dir" in done.one_line()


def test_a_download_gets_the_file_of_each_month(rushhour: Rushhour, tmp_path: Path) -> None:
    cache = write_months(tmp_path / "cache")
    args = ("download", "--dataset", "green", "--month", MONTHS, "--cache-dir", cache)
    done = rushhour(*args)
    assert (done.code, done.stderr) == (0, "")  # all are there: no network is needed
    assert [line.partition(" (")[0] for line in done.stdout.splitlines()] == [
        str(cache / file_name("green", month)) for month in ROWS
    ]
    documents = [json.loads(line) for line in rushhour(*args, "--json").stdout.splitlines()]
    assert [document["month"] for document in documents] == list(ROWS)
    (cache / file_name("green", "2024-01")).unlink()
    failed = rushhour(*args)
    assert failed.code != 0
    assert "green_tripdata_2024-01.parquet" in failed.stderr
