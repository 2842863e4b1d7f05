import os
from pathlib import Path
from typing import Any

import pytest

from rushhour.core.errors import UsageError
from rushhour.core.hours import clock_label
from rushhour.core.settings import Settings


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("RUSHHOUR_"):
            monkeypatch.delenv(name)


def span(settings: Settings) -> tuple[str, str]:
    start, end = settings.window
    return clock_label(start), clock_label(end)


def test_the_defaults_replay_october_2024() -> None:
    settings = Settings.load()
    assert (settings.dataset, settings.month, settings.speed) == ("yellow", "2024-10", "6h/s")
    assert (settings.kafka, settings.redis, settings.data) == (None, None, None)
    assert (settings.partitions, settings.ahead_hours, settings.workers) == (4, 6, 1)
    assert span(settings) == ("2024-10-01 00:00", "2024-11-01 00:00")


@pytest.mark.parametrize(
    ("field", "env", "from_env", "from_flag"),
    [
        ("dataset", "RUSHHOUR_DATASET", "green", "yellow"),
        ("month", "RUSHHOUR_MONTH", "2023-01", "2023-02"),
        ("from_hour", "RUSHHOUR_FROM", "2024-10-02", "2024-10-03"),
        ("until_hour", "RUSHHOUR_UNTIL", "2024-10-04", "2024-10-05"),
        ("surge", "RUSHHOUR_SURGE", "1:2@2024-10-20 00:00", "1:3@2024-10-20 00:00"),
        ("speed", "RUSHHOUR_SPEED", "1h/s", "max"),
        ("data", "RUSHHOUR_DATA", Path("/a"), Path("/b")),
        ("data_dir", "RUSHHOUR_DATA_DIR", Path("/a"), Path("/b")),
        ("cache_dir", "RUSHHOUR_CACHE_DIR", Path("/a"), Path("/b")),
        ("state_dir", "RUSHHOUR_STATE_DIR", Path("/a"), Path("/b")),
        ("kafka", "RUSHHOUR_KAFKA", "one:9092", "two:9092"),
        ("redis", "RUSHHOUR_REDIS", "redis://one", "redis://two"),
        ("redis_port", "RUSHHOUR_REDIS_PORT", 7000, 7001),
        ("partitions", "RUSHHOUR_PARTITIONS", 7, 8),
        ("ahead_hours", "RUSHHOUR_AHEAD_HOURS", 9, 10),
        ("workers", "RUSHHOUR_WORKERS", 2, 3),
        ("dataflows", "RUSHHOUR_DATAFLOWS", 2, 3),
        ("consumers", "RUSHHOUR_CONSUMERS", 2, 3),
        ("process", "RUSHHOUR_PROCESS", 1, 2),
        ("addresses", "RUSHHOUR_ADDRESSES", "a:2101,b:2101", "c:2101"),
        ("recovery_dir", "RUSHHOUR_RECOVERY_DIR", Path("/a"), Path("/b")),
        ("metrics_host", "RUSHHOUR_METRICS_HOST", "0.0.0.0", "::1"),
        ("metrics_port", "RUSHHOUR_METRICS_PORT", 9100, 9101),
        ("linger", "RUSHHOUR_LINGER", True, False),
    ],
)
def test_a_flag_beats_the_environment_and_that_beats_the_default(
    monkeypatch: pytest.MonkeyPatch, field: str, env: str, from_env: Any, from_flag: Any
) -> None:
    default = getattr(Settings.load(), field)
    assert default != from_env
    assert Settings.env_name(field) == env
    monkeypatch.setenv(env, str(from_env))
    assert getattr(Settings.load(), field) == from_env
    assert getattr(Settings.load(**{field: None}), field) == from_env
    assert getattr(Settings.load(**{field: from_flag}), field) == from_flag
    monkeypatch.setenv(env, "")
    assert getattr(Settings.load(), field) == default


def test_every_setting_is_tested_above() -> None:
    assert len(Settings.model_fields) == 24


def test_origins_say_where_each_value_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHHOUR_MONTH", "2024-09")
    monkeypatch.setenv("RUSHHOUR_SPEED", "1h/s")
    monkeypatch.setenv("RUSHHOUR_WORKERS", "")
    flags: dict[str, Any] = {"speed": "max", "until_hour": "2024-09-03", "dataset": None}
    found = {origin.name: origin for origin in Settings.load(**flags).origins(flags)}
    assert list(found) == list(Settings.model_fields)
    assert found["speed"] == ("speed", "RUSHHOUR_SPEED", "max", "flag")
    assert found["until_hour"] == ("until_hour", "RUSHHOUR_UNTIL", "2024-09-03", "flag")
    assert found["month"] == ("month", "RUSHHOUR_MONTH", "2024-09", "environment")
    assert found["workers"] == ("workers", "RUSHHOUR_WORKERS", "1", "default")
    assert found["dataset"] == ("dataset", "RUSHHOUR_DATASET", "yellow", "default")
    assert found["data"].value == ""


@pytest.mark.parametrize("name", ["FROM_HOUR", "UNTIL_HOUR"])
def test_only_variables_of_rushhour_are_read(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "2024-10-05")
    assert span(Settings.load()) == ("2024-10-01 00:00", "2024-11-01 00:00")


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"speed": "max"},
        {"surge": " 132:2.0@2024-10-20, 79:0.5@2024-10-25 18:00 "},
        {"speed": "1800", "dataset": "green", "month": "2023-02"},
        {"from_hour": "2024-10-02 05:00", "until_hour": "2024-10-03", "workers": 3},
        {"data": Path("/a b/c.parquet"), "data_dir": Path("/d"), "cache_dir": Path("/e")},
        {"kafka": "k:9092", "redis": "redis://r:1/2", "partitions": 7, "ahead_hours": 1},
        {"state_dir": Path("/s"), "redis_port": 7000},
        {"dataflows": 2, "consumers": 3, "process": 1, "addresses": "a:2101, b:2101"},
        {"recovery_dir": Path("/r"), "metrics_host": "::", "metrics_port": 1, "linger": True},
    ],
)
def test_another_process_loads_the_same_settings_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any]
) -> None:
    settings = Settings.load(**flags)
    environment = settings.as_environment()
    assert all(name.startswith("RUSHHOUR_") for name in environment)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == settings
    assert Settings.load().window == settings.window


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"dataset": "fhv"}, ["dataset 'fhv'", "yellow", "green"]),
        ({"month": "October"}, ["month 'October'", "2024-10"]),
        ({"speed": "fast"}, ["speed 'fast'", "6h/s"]),
        ({"surge": "132:2"}, ["surge '132:2' is not a surge", "132:2.0@2024-10-20"]),
        (
            {"surge": "132:2@2024-11-01"},
            ["'132:2@2024-11-01 00:00' begins after the last hour", "2024-10-31 23:00", "--surge"],
        ),
        (
            {"surge": "132:2@2024-10-05 00:00", "until_hour": "2024-10-04"},
            ["begins after the last hour of the run, 2024-10-04 23:00"],
        ),
        ({"partitions": 0}, ["partitions '0'", "1"]),
        ({"partitions": "many"}, ["partitions 'many'", "integer"]),
        ({"redis_port": 65_536}, ["redis_port '65536'", "65535"]),
        ({"ahead_hours": 169}, ["ahead_hours '169'", "168"]),
        ({"workers": 65}, ["workers '65'", "64"]),
        ({"dataflows": 0}, ["dataflows '0'", "1"]),
        ({"consumers": 65}, ["consumers '65'", "64"]),
        ({"process": -1}, ["process '-1'", "0"]),
        ({"process": 64}, ["process '64'", "64"]),
        ({"metrics_port": 0}, ["metrics_port '0'", "1"]),
        ({"linger": "perhaps"}, ["linger 'perhaps'", "boolean"]),
        ({"from_hour": "soon"}, ["'soon'", "2024-10-02"]),
        ({"from_hour": "2024-10-02 05:30"}, ["'2024-10-02 05:30'", "start of an hour"]),
        ({"from_hour": "2024-09-30"}, ["2024-09-30T00", "2024-10", "--from"]),
        ({"until_hour": "2024-11-01 00:00"}, ["2024-11-01T00", "2024-10", "--until"]),
        ({"from_hour": "2024-10-03", "until_hour": "2024-10-02"}, ["2024-10-03T00", "--until"]),
        ({"unheard": "of"}, ["unheard"]),
    ],
)
def test_a_value_that_cannot_be_used_is_one_line_of_what_is_expected(
    flags: dict[str, Any], said: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        Settings.load(**flags)
    message = str(caught.value)
    assert "\n" not in message
    for part in said:
        assert part in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("env", "value", "said"),
    [
        ("RUSHHOUR_PARTITIONS", "0", "^partitions '0': "),
        ("RUSHHOUR_DATASET", "fhv", "^dataset 'fhv': "),
        ("RUSHHOUR_SPEED", "fast", "^speed 'fast' is not a speed"),
        ("RUSHHOUR_SURGE", "132", "^surge '132' is not a surge"),
        ("RUSHHOUR_FROM", "soon", "^'soon' is not an hour"),
        ("RUSHHOUR_UNTIL", "2024-11-01", "check --from, --until and --month"),
    ],
)
def test_the_environment_is_checked_like_flags(
    monkeypatch: pytest.MonkeyPatch, env: str, value: str, said: str
) -> None:
    monkeypatch.setenv(env, value)
    with pytest.raises(UsageError, match=said):
        Settings.load()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"from_hour": "2024-10-02"}, ("2024-10-02 00:00", "2024-11-01 00:00")),
        ({"until_hour": "2024-10-02"}, ("2024-10-01 00:00", "2024-10-03 00:00")),
        ({"until_hour": "2024-10-02 00:00"}, ("2024-10-01 00:00", "2024-10-02 01:00")),
        ({"until_hour": "2024-10-31"}, ("2024-10-01 00:00", "2024-11-01 00:00")),
        (
            {"from_hour": "2024-10-02 23:00", "until_hour": "2024-10-02 23:00"},
            ("2024-10-02 23:00", "2024-10-03 00:00"),
        ),
        ({"month": "2024-02"}, ("2024-02-01 00:00", "2024-03-01 00:00")),
    ],
)
def test_the_window_is_whole_hours_with_both_ends_included(
    flags: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert span(Settings.load(**flags)) == expected
