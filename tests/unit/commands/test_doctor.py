"""`rushhour doctor` on files: what it prints, what it writes, and how it ends."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.planted_causes import Frame, healthy, plant


def write(directory: Path, mine: Frame, theirs: Frame) -> tuple[Path, Path]:
    files = directory / "predictions.parquet", directory / "rides.parquet"
    mine.to_parquet(files[0], index=False)
    theirs.to_parquet(files[1], index=False)
    return files


def test_tables_that_join_end_with_0(cli: Cli, rushhour: Rushhour, tmp_path: Path) -> None:
    mine, theirs = write(tmp_path, *healthy())
    ended = cli(rushhour, "doctor", mine, "--actuals", theirs)
    assert (ended.code, ended.stderr) == (0, "")
    assert "rows that join 288 of 288" in ended.words
    assert "all rows join" in ended.words


def test_each_cause_has_its_rows_an_example_and_a_cure(
    cli: Cli, rushhour: Rushhour, tmp_path: Path
) -> None:
    mine, theirs = write(tmp_path, *plant("seconds", "text zones", "actuals end"))
    ended = cli(rushhour, "doctor", mine, "--actuals", theirs)
    assert ended.code == 8
    assert ended.one_line() == (
        "rushhour: 288 of 288 rows do not join, 3 causes: --fix FILE mends what is certain"
    )
    for words in (
        "rows that join 0 of 288",
        "once mended 237 of 288",
        "1. zone_type 288 rows of the predictions",
        "2. epoch_unit 288 rows of the predictions",
        "pickup_ts of the predictions is in seconds since 1970, not in milliseconds",
        "prediction 1727740800 1",
        "actual 1727740800000 1",
        "cure multiply by 1,000 to get milliseconds (certain: --fix applies it)",
        "3. beyond_last_hour 51 rows of the predictions",
        "predictions are for 2024-10-04 07:00 to 2024-10-04 23:00, actuals end 2024-10-04 06:00",
        "nothing can join before the clock has moved on: run `rushhour step`",
    ):
        assert words in ended.words, words


def test_json_has_the_same_as_one_object(cli: Cli, rushhour: Rushhour, tmp_path: Path) -> None:
    mine, theirs = write(tmp_path, *plant("seconds", "zone 999"))
    ended = cli(rushhour, "doctor", mine, "--actuals", theirs, "--json")
    assert ended.code == 8
    found = json.loads(ended.stdout)
    assert (found["predictions"], found["actuals"]) == (str(mine), str(theirs))
    assert (found["rows"], found["joined"], found["joined_mended"]) == (288, 0, 192)
    unit, zones = found["findings"]
    assert (unit["cause"], unit["rows"], unit["is_certain"]) == ("epoch_unit", 288, True)
    assert unit["prediction"] == {
        "pickup_ts": "1727740800",
        "pickup_location_id": "43",
        "predicted_demand": str(healthy()[0]["predicted_demand"][96]),
    }
    assert unit["actual"] == {
        "pickup_ts": "1727740800000",
        "pickup_location_id": "43",
        "rides": str(healthy()[1]["rides"][96]),
    }
    assert (zones["cause"], zones["rows"], zones["is_certain"]) == ("unknown_zones", 96, False)
    assert [each["cause"] for each in found["notes"]] == ["missing_zones"]
    assert found["mended_file"] is None


def test_what_fix_writes_joins(cli: Cli, rushhour: Rushhour, tmp_path: Path) -> None:
    mine, theirs = write(tmp_path, *plant("UTC for New York", "no zone", "float zones", "copies"))
    out = tmp_path / "mended.parquet"
    ended = cli(rushhour, "doctor", mine, "--actuals", theirs, "--fix", out)
    assert ended.code == 8
    assert f"288 rows written to {out}" in ended.stderr
    again = cli(rushhour, "doctor", out, "--actuals", theirs)
    assert again.code == 0, again.stdout
    expected = healthy()[0].astype({"pickup_hour": "datetime64[us, UTC]"})
    mended = pd.read_parquet(out).astype({"pickup_hour": "datetime64[us, UTC]"})
    pd.testing.assert_frame_equal(mended[list(expected)], expected)


@pytest.mark.parametrize(
    ("planted", "why"), [((), "nothing is to be mended"), (("zone 999",), "no cure is certain")]
)
def test_fix_writes_nothing_without_a_certain_cure(
    cli: Cli, rushhour: Rushhour, tmp_path: Path, planted: tuple[str, ...], why: str
) -> None:
    mine, theirs = write(tmp_path, *plant(*planted))
    out = tmp_path / "mended.parquet"
    ended = cli(rushhour, "doctor", mine, "--actuals", theirs, "--fix", out)
    assert f"{why}: {out} is not written" in ended.stderr
    assert not out.exists()


def test_csv_files_are_read(cli: Cli, rushhour: Rushhour, tmp_path: Path) -> None:
    mine, theirs = healthy()
    mine.to_csv(tmp_path / "mine.csv", index=False)
    theirs.to_csv(tmp_path / "theirs.csv", index=False)
    args = ("--actuals", tmp_path / "theirs.csv")
    assert cli(rushhour, "doctor", tmp_path / "mine.csv", *args).code == 0
    naive = mine.assign(pickup_hour=mine["pickup_hour"].dt.tz_localize(None))
    naive.to_csv(tmp_path / "naive.csv", index=False)
    ended = cli(rushhour, "doctor", tmp_path / "naive.csv", *args, "--json")
    assert [each["cause"] for each in json.loads(ended.stdout)["findings"]] == ["time_zone"]


def test_mistakes_are_one_line(cli: Cli, rushhour: Rushhour, tmp_path: Path) -> None:
    mine, theirs = write(tmp_path, *healthy())
    empty = tmp_path / "empty.csv"
    empty.write_text("pickup_hour,rides\n", "utf-8")
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(mine.read_bytes()[:-9])
    for args, code, message in (
        (("/nonexistent.parquet",), 3, "/nonexistent.parquet: no such file: check its name"),
        ((empty,), 3, "empty.csv: has no rows"),
        ((damaged,), 3, "damaged.parquet: not a readable Parquet or CSV file"),
        ((mine,), 5, "no run found"),
        ((mine, "--fix", "a.csv"), 2, "choose a --fix that ends in .parquet"),
        ((mine, "--fix", mine), 2, "would be overwritten: choose another --fix"),
        ((mine, "--actuals", theirs, "--fix", theirs), 2, "would be overwritten"),
        ((mine, "--fix", "/nonexistent/a.parquet"), 2, "choose another --fix"),
        ((), 2, "missing argument 'PREDICTIONS'"),
    ):
        ended = cli(rushhour, "doctor", *args)
        assert message in ended.one_line(), args
        assert (ended.code, ended.stdout) == (code, ""), args
