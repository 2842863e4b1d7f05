"""Reading a finished run: what each command prints for a person, and as JSON."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dataflows.forecasting.forecasters import model_names
from rushhour.core.models import SERVED
from tests.fixtures.command import Cli, Finished, Rushhour
from tests.fixtures.finished_run import FinishedRun, SavedCopy
from tests.fixtures.settings import environment_without_settings

Document = dict[str, Any]
LAST_TS = 1_727_910_000_000
LAST = {"pickup_hour": "2024-10-02T23:00:00Z", "pickup_ts": LAST_TS}
SOURCE = "green 2024-10, green_tripdata_2024-10.parquet"


def documents(ended: Finished) -> list[Document]:
    """Return what a command printed with --json."""
    assert (ended.code, ended.stderr) == (0, "")
    return [json.loads(line) for line in ended.stdout.splitlines()]


def document(ended: Finished) -> Document:
    (found,) = documents(ended)
    return found


def test_up_prints_a_report_and_how_to_read_the_run(finished_run: FinishedRun) -> None:
    printed = finished_run.printed
    assert printed.code == 0
    assert f"replayed {SOURCE}" in printed.words
    assert "hours closed 48 of 48" in printed.words
    assert "1.0 (12,720 of 12,720 pairs scored)" in printed.words
    assert "rejected rows 3 (1 null time, 1 outside month, 1 unknown zone)" in printed.words
    for word in (*model_names(), "WAPE", "coverage", "peak memory", "rides/h", " MiB", " s "):
        assert word in printed.stdout
    for name in ("producer", "dataflow", "consumer", "broker", "redis"):
        assert name in printed.words
    assert f"replaying  {SOURCE}" in printed.stderr
    assert re.search("redis-cli -[ps] ", printed.stderr)
    assert "2024-10-0" in printed.stderr  # progress
    last = printed.stderr.splitlines()[-1]
    assert f"is saved in {finished_run.rushhour.state_dir}" in last
    assert "`rushhour status`" in last
    assert "`rushhour redis`" in last


def test_a_locale_without_utf_8_shows_the_same_figures(after_run: Rushhour) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for command in ("status", "models"):
        plain, usual = after_run(command, env=ascii_only), after_run(command)
        assert (plain.code, plain.stderr) == (0, "")
        assert plain.stdout.isascii()
        assert re.findall(r"\d+\.\d+", plain.stdout) == re.findall(r"\d+\.\d+", usual.stdout)


def test_piped_tables_are_neither_wrapped_nor_padded(cli: Cli, after_run: Rushhour) -> None:
    for args in (["status"], ["models"], ["zone", 132], ["compare"], ["alerts"], ["config"]):
        printed = cli(after_run, *args, env={"COLUMNS": "40"}).stdout
        assert not [line for line in printed.splitlines() if line != line.rstrip()], args
    header = cli(after_run, "compare", env={"COLUMNS": "40"}).stdout.splitlines()[0]
    assert header.split() == [
        "pickup_hour", "pickup_location_id", "predicted_demand", "rides", "prediction_error",
        "predicted_median", "lower", "upper",
    ]  # fmt: skip


def test_status_names_the_saved_run_and_where_it_is(cli: Cli, after_run: Rushhour) -> None:
    shown = cli(after_run, "status")
    assert (shown.code, shown.stderr) == (0, "")
    assert f"replaying {SOURCE}" in shown.words
    assert f"read from the saved run in {after_run.state_dir}" in shown.words
    assert "finished at max" in shown.words
    assert "hours closed 48 of 48" in shown.words
    assert re.search(rf"{SERVED} .* \d+\.\d %", shown.stdout)


def test_status_as_json(cli: Cli, after_run: Rushhour) -> None:
    status = document(cli(after_run, "status", "--json"))
    assert status["location"] == {
        "kind": "saved",
        "redis_url": None,
        "state_dir": str(after_run.state_dir),
    }
    assert (status["state"], status["speed"]) == ("finished", "max")
    assert status["simulated_time"] == "2024-10-03T00:00:00Z"
    assert status["simulated_ts"] == LAST_TS + 3_600_000
    assert status["last_closed"] == LAST
    assert status["counts"]["rejected_by_reason"] == {
        "null_time": 1, "outside_month": 1, "unknown_zone": 1, "null_zone": 0,
    }  # fmt: skip
    assert (status["counts"]["rejected_rows"], status["counts"]["overlap_ratio"]) == (3, 1.0)
    assert (status["run"]["hours"], status["run"]["surge"]) == (48, None)
    assert [model["model"] for model in status["models"]] == list(model_names())
    assert [model["is_served"] for model in status["models"]].count(True) == 1
    assert status["models"][-1]["coverage_168h"] is None
    assert len(status["worst_zones"]) == 5


def test_zone_shows_units_intervals_and_coverage(cli: Cli, after_run: Rushhour) -> None:
    shown = cli(after_run, "zone", 132)
    assert (shown.code, shown.stderr) == (0, "")
    assert "zone 132, JFK Airport, Queens" in shown.words
    assert re.search(r"rides \d+ rides/h", shown.words)
    assert (
        len(
            re.findall(r"prediction [\d.]+ rides/h \(90 % interval [\d.]+ to [\d.]+\)", shown.words)
        )
        == 2
    )
    assert re.search(r"MAE, rides/h [\d.]+ [\d.]+", shown.words)
    assert re.search(r"coverage [\d.]+ % [\d.]+ %", shown.words)
    assert shown.words.endswith(SOURCE)


def test_zone_as_json(cli: Cli, after_run: Rushhour) -> None:
    zone = document(cli(after_run, "zone", 132, "--json"))
    assert {name: zone[name] for name in LAST} == LAST
    assert zone["next_pickup_hour"] == "2024-10-03T00:00:00Z"
    assert (zone["name"], zone["borough"]) == ("JFK Airport", "Queens")
    assert zone["prediction_error"] == pytest.approx(zone["predicted_demand"] - zone["rides"])
    assert zone["lower"] <= zone["predicted_median"] <= zone["upper"]
    assert zone["mae_24h"] > 0
    assert zone["skill_24h"] is None  # there is no last week yet


def test_models_are_shown_with_units_the_best_first(cli: Cli, after_run: Rushhour) -> None:
    shown = cli(after_run, "models")
    assert (shown.code, shown.stderr) == (0, "")
    assert f"{SERVED} (served)" in shown.stdout
    assert all(model in shown.stdout for model in model_names())
    assert "6,360 zone-hours in 24 h, 12,720 in 168 h" in shown.words
    assert "MAE, RMSE, bias and WIS in rides/h" in shown.words
    assert SOURCE in shown.words

    ranking = document(cli(after_run, "models", "--json"))
    assert ranking["last_closed"] == LAST
    known = [model["mae_168h"] for model in ranking["models"] if model["mae_168h"] is not None]
    assert known == sorted(known)
    assert {model["model"] for model in ranking["models"]} == set(model_names())


def test_compare_writes_the_whole_table_as_csv(
    cli: Cli, after_run: Rushhour, tmp_path: Path
) -> None:
    target = tmp_path / "comparison.csv"
    span = ["--from", "2024-10-01 22:00", "--until", "2024-10-02"]
    shown = cli(after_run, "compare", *span, "--csv", target)

    assert shown.code == 0
    assert "6,890 rows, 26 hours, in rides/h" in shown.stdout
    assert shown.stderr == f"6,890 rows written to {target}\n"
    with target.open(newline="") as lines:
        table = list(csv.DictReader(lines))
    assert len(table) == 26 * 265
    assert list(table[0]) == [
        "pickup_hour", "pickup_location_id", "predicted_demand", "rides", "prediction_error",
        "predicted_median", "lower", "upper",
    ]  # fmt: skip
    assert {row["pickup_hour"] for row in table} == {
        f"2024-10-0{1 + hour // 24} {hour % 24:02}:00:00+00:00" for hour in range(22, 48)
    }
    for row in table:
        error = float(row["predicted_demand"]) - int(row["rides"])
        assert float(row["prediction_error"]) == pytest.approx(error, abs=1e-9)

    found = documents(cli(after_run, "compare", *span, "--json"))
    assert [
        document["pickup_hour"].replace("T", " ").replace("Z", "+00:00") for document in found
    ] == [row["pickup_hour"] for row in table]
    for name in list(table[0])[1:]:
        assert [document[name] for document in found] == [float(row[name]) for row in table]


def test_quiet_drops_the_note_on_the_file(cli: Cli, after_run: Rushhour, tmp_path: Path) -> None:
    shown = cli(after_run, "compare", "--csv", tmp_path / "a.csv", "-q")
    assert (shown.code, shown.stderr) == (0, "")
    assert "12,720 rows" in shown.stdout


@pytest.mark.parametrize("command", ["compare", "compare --json", "status", "config --json"])
def test_a_reader_that_leaves_early_is_no_failure(after_run: Rushhour, command: str) -> None:
    script = (
        f"{Path(sys.executable).with_name('rushhour')} {command} | head -1; echo ${{PIPESTATUS[0]}}"
    )
    environment = environment_without_settings() | after_run.environment
    ended = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert ended.stderr == ""
    first, code = ended.stdout.splitlines()
    assert first
    assert code in ({"141"} if command == "compare --json" else {"0", "141"})


def test_alerts_as_json(cli: Cli, after_run: Rushhour, saved_copy: SavedCopy) -> None:
    assert documents(cli(after_run, "alerts", "--zone", 7, "--json")) == []
    with saved_copy() as (url, client):
        for zone, hour in ((7, "2024-10-02T08"), (132, "2024-10-02T09")):
            client.xadd(
                "alerts",
                {"zone": zone, "hour": hour, "direction": "below", "relative_change": "-0.25"},
            )
        newest = documents(cli(after_run, "alerts", "--json", "--last", 1, "--redis", url))
        of_zone = documents(cli(after_run, "alerts", "--json", "--zone", 7, "--redis", url))
    assert newest == [
        {
            "pickup_hour": "2024-10-02T09:00:00Z",
            "pickup_ts": LAST_TS - 14 * 3_600_000,
            "pickup_location_id": 132,
            "name": "JFK Airport",
            "direction": "below",
            "relative_change": -0.25,
        }
    ]
    assert [alert["name"] for alert in of_zone] == ["Astoria"]


def test_verify_as_json_is_a_line_for_each_check(cli: Cli, after_run: Rushhour) -> None:
    checks = documents(cli(after_run, "verify", "--json"))
    assert {check["status"] for check in checks} == {"ok"}
    assert "rides equal a recount of the file" in {check["name"] for check in checks}


def test_watch_streams_the_hours_of_a_run_from_its_start(
    cli: Cli, after_run: Rushhour, saved_copy: SavedCopy
) -> None:
    with saved_copy() as (url, _):
        assert documents(cli(after_run, "watch", "--json", "--redis", url)) == []
        hours = documents(cli(after_run, "watch", "--json", "--from-start", "--redis", url))
    assert [hour["hours_closed"] for hour in hours] == list(range(1, 49))
    assert {name: hours[-1][name] for name in LAST} == LAST
    assert hours[-1]["hours"] == 48
    assert sum(hour["rides"] for hour in hours) > 0


def test_a_given_redis_is_named_without_its_password(
    cli: Cli, after_run: Rushhour, saved_copy: SavedCopy
) -> None:
    with saved_copy() as (url, client):
        client.config_set("requirepass", "secret")
        with_password = url.replace("://", "://:secret@")
        shown = cli(after_run, "status", "--redis", with_password)
        status = document(cli(after_run, "status", "--json", "--redis", with_password))
    masked = url.replace("://", "://:***@")
    assert f"read from {masked}" in shown.words
    assert status["location"] == {"kind": "given", "redis_url": masked, "state_dir": None}


def test_a_finished_run_has_no_clock_to_command(cli: Cli, after_run: Rushhour) -> None:
    ended = cli(after_run, "pause")
    assert ended.code == 5
    assert ended.one_line().startswith("rushhour: no run is live")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["compare", "--from", "2024-10-02", "--until", "2024-10-01"], 2, "is after until"),
        (["compare", "--from", "yesterday"], 2, "'yesterday' is not an hour"),
        (["compare", "--csv", "/nonexistent/a.csv"], 2, "/nonexistent/a.csv: "),
        (["verify", "--data", "/nonexistent.parquet"], 3, "/nonexistent.parquet: no such file"),
        (["verify", "--data", __file__], 3, f"{__file__}: "),
    ],
    ids=["reversed", "no-hour", "csv-nowhere", "verify-missing-file", "verify-no-parquet"],
)
def test_a_mistake_about_a_saved_run_is_one_line(
    cli: Cli, after_run: Rushhour, args: list[str], code: int, message: str
) -> None:
    ended = cli(after_run, *args)
    assert message in ended.one_line()
    assert ended.code == code


# Any command of Redis, on machines without redis-cli.


def test_a_command_for_redis_prints_what_redis_cli_prints(cli: Cli, after_run: Rushhour) -> None:
    name = cli(after_run, "redis", "HMGET", "zone:132", "name", "no-such-field")
    assert (name.code, name.stdout, name.stderr) == (0, "JFK Airport\n\n", "")
    best = cli(after_run, "redis", "ZRANGE", "board:rides", "-1", "-1")
    assert best.stdout.strip().isdecimal()
    assert document(cli(after_run, "redis", "--json", "HMGET", "zone:132", "name")) == {
        "reply": ["JFK Airport"]
    }


def test_a_command_that_redis_refuses_is_an_error_of_usage(cli: Cli, after_run: Rushhour) -> None:
    refused = cli(after_run, "redis", "NONSENSE")
    assert refused.code == 2
    assert "Redis refuses 'NONSENSE': " in refused.one_line()
