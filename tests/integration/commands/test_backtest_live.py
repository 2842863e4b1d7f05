"""`rushhour backtest` from the outside, and that it says what a live run says, digit for digit."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dataflows.forecasting.forecasters import model_names
from rushhour.core import keys
from rushhour.core.models import SERVED
from rushhour.core.settings import Settings
from rushhour.simulator.evaluation.demand import find_demand
from rushhour.simulator.evaluation.live import RunReader, read_run
from rushhour.simulator.evaluation.offline import replay
from rushhour.simulator.stack.open_run import open_run
from rushhour.storage.runs import load_run
from tests.fixtures.command import Cli, Finished, Rushhour
from tests.fixtures.settings import SettingsFactory

# A zone that gets eight times its rides on the third day raises an alert.
SPAN = ["--dataset", "green", "--from", "2024-10-01", "--until", "2024-10-03"]
SURGED = [*SPAN, "--surge", "74:8@2024-10-03 10:00"]
SAYS_SO = (
    "green 2024-10, SYNTHETIC (made-up trips from mean rates), "
    "what if: zone 74 x 8 from 2024-10-03 10:00"
)


@pytest.fixture(scope="module")
def finished(module_rushhour: Rushhour) -> Finished:
    return module_rushhour("up", *SURGED, "--speed", "max")


@pytest.fixture
def after_run(module_rushhour: Rushhour, finished: Finished) -> Rushhour:
    assert finished.code == 0, finished.stderr
    return module_rushhour


def test_a_backtest_reproduces_a_live_run_exactly(
    after_run: Rushhour, settings: SettingsFactory
) -> None:
    with open_run(settings(state_dir=after_run.state_dir)) as opened:
        client = opened.client
        run = load_run(client)
        live = read_run(client, run)
    flags = {"dataset": "green", "until_hour": "2024-10-03", "surge": SURGED[-1]}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(Settings.env_name("data_dir"), raising=False)
        demand = find_demand(flags, synthetic=True)
    offline = replay(demand.start_ts, demand.rides.to_numpy(np.int64))

    assert (live.start_ts, list(live.forecast.by_model)) == (demand.start_ts, list(model_names()))
    assert live.rides.tolist() == offline.rides.tolist()
    for model, predicted in offline.forecast.by_model.items():
        np.testing.assert_array_equal(live.forecast.by_model[model], predicted, strict=True)
    np.testing.assert_array_equal(live.forecast.mean, offline.forecast.mean, strict=True)
    np.testing.assert_array_equal(live.forecast.lower, offline.forecast.lower, strict=True)
    np.testing.assert_array_equal(live.forecast.upper, offline.forecast.upper, strict=True)
    np.testing.assert_array_equal(live.alerts, offline.alerts, strict=True)
    assert (~np.isnan(live.alerts[:, 73])).any()  # or there would be nothing to compare


def test_a_run_that_is_read_as_it_grows_equals_one_that_is_read_at_its_end(
    after_run: Rushhour, settings: SettingsFactory
) -> None:
    with open_run(settings(state_dir=after_run.state_dir)) as opened:
        client = opened.client
        run = load_run(client)
        at_its_end = read_run(client, run)
        closed: Any = client.xrange(keys.CITY_HOURLY)
        client.delete(keys.CITY_HOURLY)
        reader = RunReader(client, run)
        for start in (0, 0, 30, len(closed)):
            for entry_id, fields in closed[reader.arrays().hours : start]:
                client.xadd(keys.CITY_HOURLY, fields, id=entry_id)
            reader.update()
            assert reader.arrays().hours == start
        grown = reader.arrays()
    np.testing.assert_array_equal(grown.rides, at_its_end.rides)
    for model, predicted in at_its_end.forecast.by_model.items():
        np.testing.assert_array_equal(grown.forecast.by_model[model], predicted, strict=True)


def test_both_commands_write_the_same_rows_and_show_the_same_scores(
    cli: Cli, after_run: Rushhour, finished: Finished, tmp_path: Path
) -> None:
    live, offline, png = tmp_path / "live.csv", tmp_path / "offline.csv", tmp_path / "a.png"
    assert cli(after_run, "compare", "--csv", live).code == 0

    ended = cli(after_run, "backtest", "--synthetic", *SURGED, "--csv", offline, "--plot", png)

    assert ended.code == 0, ended.stderr
    with live.open(newline="") as live_lines, offline.open(newline="") as offline_lines:
        rows = list(csv.DictReader(live_lines))
        found = list(csv.DictReader(offline_lines))
    assert len(rows) == 72 * 265
    assert [{name: row[name] for name in rows[0]} for row in found] == rows
    assert list(found[0])[len(rows[0]) :] == list(model_names()[1:])

    shown = ended.words
    assert f"backtest of {SAYS_SO} hours 72 " in shown
    assert ended.stderr.splitlines() == [
        f"19,080 rows written to {offline}",
        f"zone 74 drawn to {png}",  # the busiest, after its surge
    ]
    assert png.read_bytes().startswith(b"\x89PNG")
    of_live = scores(finished.stdout)
    assert [line.split()[0] for line in of_live] == list(model_names())
    assert scores(ended.stdout) == of_live
    for heading in (f"{SERVED} by borough", "Manhattan", "90 % intervals", "20-100", "took"):
        assert heading in shown


def scores(screen: str) -> list[str]:
    """The lines of the table of models."""
    lines = [" ".join(line.split()) for line in screen.splitlines()]
    return [line for line in lines if re.fullmatch(r"[a-z]+_?[a-z_]*( (-|-?[\d.]+( %)?)){8}", line)]


def test_verify_compares_intervals_and_alerts_too(cli: Cli, after_run: Rushhour) -> None:
    checked = cli(after_run, "verify")
    assert (checked.code, checked.stderr) == (0, "")
    for what in ("predictions", "medians", f"predictions of {model_names()[1]}", "lower", "upper"):
        assert f"ok {what}" in checked.words
    assert "alerts equal an offline replay: 0 compared" not in checked.words


def test_alerts_of_a_zone_are_shown_with_the_source(cli: Cli, after_run: Rushhour) -> None:
    shown = cli(after_run, "alerts", "--zone", 74, "--last", 1)
    assert (shown.code, shown.stderr) == (0, "")
    assert "74 East Harlem North above +" in shown.words
    assert "1 of " in shown.words
    assert SAYS_SO in shown.words
    none = cli(after_run, "alerts", "--zone", 1)
    assert none.words == f"no alerts of zone 1, Newark Airport {SAYS_SO}"


@pytest.mark.parametrize("args", [["models"], ["zone", 74], ["compare"], ["status"], ["alerts"]])
def test_a_what_if_and_synthetic_run_is_named_by_every_command(
    cli: Cli, after_run: Rushhour, args: list[object]
) -> None:
    assert SAYS_SO in cli(after_run, *args).words


def test_a_file_of_hourly_counts_is_recognised(
    cli: Cli, rushhour: Rushhour, tmp_path: Path
) -> None:
    hours = pd.date_range("2024-10-01", periods=30, freq="h")
    table = pd.DataFrame({"pickup_hour": hours, "rides": 5, "pickup_location_id": 132})
    file, png = tmp_path / "store [1].parquet", tmp_path / "a.png"
    table.to_parquet(file)

    ended = cli(rushhour, "backtest", "--data", file, "--plot", png, "--zone", 1)
    assert (ended.code, ended.stderr) == (0, f"zone 1 drawn to {png}\n")
    assert "backtest of hourly rides of store [1].parquet hours 30 " in ended.words
    assert "rides 150 " in ended.words

    table["rides"] = -1
    table.to_parquet(file)
    refused = cli(rushhour, "backtest", "--data", file, "--csv", tmp_path / "b.csv")
    assert refused.code == 3
    assert "zone 132 at 2024-10-01 00:00: -1 rides" in refused.one_line()
    assert not (tmp_path / "b.csv").exists()
