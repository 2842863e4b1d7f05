"""`rushhour config` shows every setting with its source, and no password."""

import json
import re

from rushhour.core.settings import Settings
from tests.fixtures.command import Cli, Rushhour

ENVIRONMENT = {"RUSHHOUR_MONTH": "2024-09", "RUSHHOUR_SPEED": "30m/s", "RUSHHOUR_WORKERS": "2"}


def test_it_shows_where_each_value_comes_from(cli: Cli, rushhour: Rushhour) -> None:
    ended = cli(rushhour, "config", "--month", "2024-11", "--workers", 3, env=ENVIRONMENT)

    assert (ended.code, ended.stderr) == (0, "")
    lines = [re.split(r"\s{2,}", line) for line in ended.stdout.splitlines()]
    rows = {cells[0]: cells[1:] for cells in lines}
    assert rows["setting"] == ["value", "from", "flag", "environment variable"]
    assert rows["month"] == ["2024-11", "flag", "--month", "RUSHHOUR_MONTH"]
    assert rows["workers"] == ["3", "flag", "--workers", "RUSHHOUR_WORKERS"]
    assert rows["speed"] == ["30m/s", "environment", "--speed", "RUSHHOUR_SPEED"]
    assert rows["dataset"] == ["yellow", "default", "--dataset", "RUSHHOUR_DATASET"]
    assert rows["kafka"] == ["-", "default", "--kafka", "RUSHHOUR_KAFKA"]
    assert rows["from_hour"] == ["-", "default", "--from", "RUSHHOUR_FROM"]
    assert rows["process"] == ["0", "default", "-", "RUSHHOUR_PROCESS"]


def test_json_is_a_line_for_each_setting(cli: Cli, rushhour: Rushhour) -> None:
    ended = cli(rushhour, "config", "--json", "--month", "2024-11", env=ENVIRONMENT)

    settings = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [setting["name"] for setting in settings] == list(Settings.model_fields)
    by_name = {setting.pop("name"): setting for setting in settings}
    assert by_name["month"] == {
        "value": "2024-11",
        "source": "flag",
        "environment_variable": "RUSHHOUR_MONTH",
        "flag": "--month",
    }
    assert by_name["kafka"]["value"] is None
    assert by_name["process"]["flag"] is None


def test_passwords_are_masked(cli: Cli, rushhour: Rushhour) -> None:
    for args in (["config"], ["config", "--json"]):
        ended = cli(rushhour, *args, "--redis", "redis://:secret@localhost:6379")
        assert "secret" not in ended.stdout + ended.stderr
        assert "redis://:***@localhost:6379" in ended.stdout


def test_a_long_value_is_not_broken_when_piped(cli: Cli, rushhour: Rushhour) -> None:
    path = "/" + "/".join(["a-long-directory"] * 20)
    ended = cli(rushhour, "config", "--state-dir", path, env={"COLUMNS": "80"})
    assert f" {path} " in ended.stdout
    assert not any(line.endswith(" ") for line in ended.stdout.splitlines())
