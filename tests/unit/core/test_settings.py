"""Precedence of flag, environment and default; validation; and what is declared of each setting."""

import os
from pathlib import Path
from typing import Any

import pytest

from rushhour.core.errors import UsageError
from rushhour.core.hours import clock_label
from rushhour.core.settings import Settings


@pytest.fixture(autouse=True)
def _unset_environment(monkeypatch: pytest.MonkeyPatch) -> None:
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
        ("horizons", "RUSHHOUR_HORIZONS", "1,6", "1,24"),
        ("surge", "RUSHHOUR_SURGE", "1:2@2024-10-20 00:00", "1:3@2024-10-20 00:00"),
        ("loop", "RUSHHOUR_LOOP", True, False),
        ("keep", "RUSHHOUR_KEEP", "35d", "all"),
        ("rebase", "RUSHHOUR_REBASE", "now", "2026-11-30"),
        ("warm_start", "RUSHHOUR_WARM_START", Path("/a"), Path("/b")),
        ("speed", "RUSHHOUR_SPEED", "1h/s", "max"),
        ("start_at", "RUSHHOUR_START_AT", "2024-10-04", "2024-10-05 06:00"),
        ("paused", "RUSHHOUR_PAUSED", True, False),
        ("can_start_over", "RUSHHOUR_CAN_START_OVER", True, False),
        ("data", "RUSHHOUR_DATA", Path("/a"), Path("/b")),
        ("data_dir", "RUSHHOUR_DATA_DIR", Path("/a"), Path("/b")),
        ("cache_dir", "RUSHHOUR_CACHE_DIR", Path("/a"), Path("/b")),
        ("state_dir", "RUSHHOUR_STATE_DIR", Path("/a"), Path("/b")),
        ("kafka", "RUSHHOUR_KAFKA", "one:9092", "two:9092"),
        ("topic_prefix", "RUSHHOUR_TOPIC_PREFIX", "ada.", "bob."),
        ("redis", "RUSHHOUR_REDIS", "redis://one", "redis://two"),
        ("key_prefix", "RUSHHOUR_KEY_PREFIX", "ann", "bob"),
        ("redis_port", "RUSHHOUR_REDIS_PORT", 7000, 7001),
        ("partitions", "RUSHHOUR_PARTITIONS", 7, 8),
        ("ahead_hours", "RUSHHOUR_AHEAD_HOURS", 9, 10),
        ("gate", "RUSHHOUR_GATE", "features", "features,inference"),
        ("on_hour", "RUSHHOUR_ON_HOUR", "date", "echo {hour}"),
        ("on_hour_timeout", "RUSHHOUR_ON_HOUR_TIMEOUT", "5m", "90"),
        ("workers", "RUSHHOUR_WORKERS", 2, 3),
        ("dataflows", "RUSHHOUR_DATAFLOWS", 2, 3),
        ("consumers", "RUSHHOUR_CONSUMERS", 2, 3),
        ("process", "RUSHHOUR_PROCESS", 1, 2),
        ("addresses", "RUSHHOUR_ADDRESSES", "a:2101,b:2101", "c:2101"),
        ("recovery_dir", "RUSHHOUR_RECOVERY_DIR", Path("/a"), Path("/b")),
        ("metrics_host", "RUSHHOUR_METRICS_HOST", "0.0.0.0", "::1"),
        ("metrics_port", "RUSHHOUR_METRICS_PORT", 9100, 9101),
        ("web", "RUSHHOUR_WEB", False, True),
        ("web_host", "RUSHHOUR_WEB_HOST", "0.0.0.0", "::1"),
        ("web_port", "RUSHHOUR_WEB_PORT", 8000, 8001),
        ("web_names", "RUSHHOUR_WEB_NAMES", "demo.lan", "a.lan,b.lan"),
        ("web_token", "RUSHHOUR_WEB_TOKEN", "one", "two"),
        ("profile_dir", "RUSHHOUR_PROFILE_DIR", Path("/a"), Path("/b")),
        ("stay_alive", "RUSHHOUR_STAY_ALIVE", True, False),
        ("log_format", "RUSHHOUR_LOG_FORMAT", "json", "text"),
    ],
)
def test_a_flag_beats_the_environment_and_that_beats_the_default(
    monkeypatch: pytest.MonkeyPatch, field: str, env: str, from_env: Any, from_flag: Any
) -> None:
    if field == "key_prefix":
        monkeypatch.setenv("RUSHHOUR_REDIS", "redis://one")
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
    (cases,) = test_a_flag_beats_the_environment_and_that_beats_the_default.pytestmark
    tested = {case[0] for case in cases.args[1]} | {"kafka_conf"}
    assert tested == set(Settings.model_fields)


def test_properties_of_librdkafka_have_a_variable_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHHOUR_KAFKA_CONF__SECURITY_PROTOCOL", "SASL_SSL")
    settings = Settings.load()
    assert settings.kafka_conf == {"security.protocol": "SASL_SSL"}
    environment = settings.as_environment()
    assert environment["RUSHHOUR_KAFKA_CONF__SECURITY_PROTOCOL"] == "SASL_SSL"
    assert "RUSHHOUR_KAFKA_CONF" not in environment
    found = {origin.name: origin for origin in settings.origins({})}["kafka_conf"]
    assert (found.value, found.origin) == ("security.protocol=SASL_SSL", "environment")


# What is declared.


def test_each_setting_has_a_description_and_a_flag_or_none() -> None:
    declared = Settings.declarations()
    assert [each.name for each in declared] == list(Settings.model_fields)
    for each in declared:
        assert each.description
        assert not each.description.endswith(".")
        assert each.env == Settings.env_name(each.name)
        assert each.flag == Settings.flag_name(each.name)
    without_flag = {each.name for each in declared if each.flag is None}
    assert without_flag == {
        *("kafka_conf", "process", "addresses", "recovery_dir", "profile_dir", "stay_alive"),
        *("can_start_over", "web_names", "web_token"),
    }


def test_a_declaration_has_unit_and_default() -> None:
    declared = Settings.declaration("ahead_hours")
    assert (declared.flag, declared.unit, declared.default) == (
        "--ahead-hours",
        "simulated hours",
        "6",
    )
    assert Settings.declaration("from_hour").default == ""


def test_a_default_below_the_home_directory_is_documented_with_a_tilde(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    assert Settings.declaration("cache_dir").default.startswith("~/")
    assert Settings.load().cache_dir.is_relative_to(tmp_path)


def test_origins_name_the_source_of_each_value(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_token_of_the_pages_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {origin.name: origin.value for origin in Settings.load().origins({})}
    assert shown["web_token"] == ""
    monkeypatch.setenv("RUSHHOUR_WEB_TOKEN", "geheim")
    shown = {origin.name: origin.value for origin in Settings.load().origins({})}
    assert shown["web_token"] == "***"
    assert "geheim" not in repr(Settings.load())


def test_host_names_of_the_pages_are_separated_by_commas() -> None:
    settings = Settings.load(web_names=" Demo.lan, other.lan ,")
    assert settings.web_host_names == ("demo.lan", "other.lan")
    assert Settings.load().web_host_names == ()


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
        {"recovery_dir": Path("/r"), "metrics_host": "::", "metrics_port": 1, "stay_alive": True},
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
    ("flags", "expected"),
    [
        (
            {"dataset": "fhv"},
            ["dataset 'fhv' is invalid: use yellow or green for --dataset or RUSHHOUR_DATASET"],
        ),
        ({"month": "October"}, ["month 'October'", "2024-10"]),
        ({"month": "2008-12"}, ["month '2008-12' is out of range", "begin in 2009-01"]),
        ({"month": "2024-10..2024-08"}, ["month '2024-10..2024-08' ends before it begins"]),
        ({"month": "2024-08..", "from_hour": "2024-09-01"}, ["month '2024-08..' is not a month"]),
        ({"month": "2024-08..2024-10", "from_hour": "2024-07-31"}, ["within 2024-08..2024-10"]),
        (
            {"month": "2024-08..2024-10", "surge": "132:2@2024-11-01"},
            ["begins after the last hour of the run, 2024-10-31 23:00"],
        ),
        ({"month": "2099-01"}, ["month '2099-01' is out of range", "to 2098-12"]),
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
        ({"partitions": "many"}, ["partitions 'many'", "a whole number from 1 to 256"]),
        ({"redis_port": 65_536}, ["redis_port '65536'", "65535"]),
        ({"ahead_hours": 169}, ["ahead_hours '169'", "168"]),
        ({"workers": 65}, ["workers '65'", "64"]),
        ({"dataflows": 0}, ["dataflows '0'", "1"]),
        ({"consumers": 65}, ["consumers '65'", "64"]),
        ({"process": -1}, ["process '-1'", "0"]),
        ({"process": 64}, ["process '64'", "63"]),
        ({"metrics_port": 0}, ["metrics_port '0'", "1"]),
        ({"stay_alive": "perhaps"}, ["stay_alive 'perhaps'", "true or false"]),
        ({"log_format": "xml"}, ["log_format 'xml'", "text or json", "--log-format"]),
        ({"redis": "http://foo"}, ["redis 'http://foo' is not a Redis URL", "redis://HOST:PORT"]),
        ({"redis": "localhost:6379"}, ["redis 'localhost:6379' is not a Redis URL"]),
        ({"redis": "redis://host:port"}, ["redis 'redis://host:***' is not a Redis URL"]),
        ({"from_hour": "soon"}, ["'soon'", "2024-10-02"]),
        ({"from_hour": "2024-10-02 05:30"}, ["'2024-10-02 05:30'", "start of an hour"]),
        ({"from_hour": "2024-09-30"}, ["2024-09-30T00", "2024-10", "--from"]),
        ({"until_hour": "2024-11-01 00:00"}, ["2024-11-01T00", "2024-10", "--until"]),
        ({"from_hour": "2024-10-03", "until_hour": "2024-10-02"}, ["2024-10-03T00", "--until"]),
        ({"unheard": "of"}, ["unheard"]),
    ],
)
def test_an_invalid_value_is_one_line_of_what_is_expected(
    flags: dict[str, Any], expected: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        Settings.load(**flags)
    message = str(caught.value)
    assert "\n" not in message
    for text in expected:
        assert text in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("env", "value", "expected"),
    [
        ("RUSHHOUR_PARTITIONS", "0", "^partitions '0' is invalid: "),
        ("RUSHHOUR_DATASET", "fhv", "^dataset 'fhv' is invalid: "),
        ("RUSHHOUR_MONTH", "2008-12", "^month '2008-12' is out of range"),
        ("RUSHHOUR_REDIS", "http://foo", "^redis 'http://foo' is not a Redis URL"),
        ("RUSHHOUR_SPEED", "fast", "^speed 'fast' is not a speed"),
        ("RUSHHOUR_SURGE", "132", "^surge '132' is not a surge"),
        ("RUSHHOUR_FROM", "soon", "^'soon' is not an hour"),
        ("RUSHHOUR_UNTIL", "2024-11-01", "check --from, --until and --month"),
    ],
)
def test_the_environment_is_checked_like_flags(
    monkeypatch: pytest.MonkeyPatch, env: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(env, value)
    with pytest.raises(UsageError, match=expected):
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
        ({"month": "2023-12..2024-01"}, ("2023-12-01 00:00", "2024-02-01 00:00")),
        (
            {
                "month": "2024-08..2024-10",
                "from_hour": "2024-08-30 05:00",
                "until_hour": "2024-09-02",
            },
            ("2024-08-30 05:00", "2024-09-03 00:00"),
        ),
    ],
)
def test_the_window_is_whole_hours_with_both_ends_included(
    flags: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert span(Settings.load(**flags)) == expected


# Names of topics and keys.


@pytest.mark.parametrize("name", ["topic_prefix", "key_prefix"])
@pytest.mark.parametrize("prefix", ["a b", "ann:", "a/b", "*", "ä", "a" * 51, "a\n"])
def test_a_prefix_has_letters_digits_and_few_signs(name: str, prefix: str) -> None:
    with pytest.raises(UsageError, match=f"^{name} '.*' is invalid: use up to 50 letters, digits"):
        Settings.load(redis="redis://host", **{name: prefix})


@pytest.mark.parametrize("prefix", ["zone", "sim", "predictions", "model", "alerts"])
def test_a_key_prefix_is_no_word_that_keys_begin_with(prefix: str) -> None:
    with pytest.raises(UsageError, match=f"^key_prefix '{prefix}' is invalid: keys of runs "):
        Settings.load(redis="redis://host", key_prefix=prefix)


def test_a_key_prefix_needs_a_given_redis() -> None:
    with pytest.raises(UsageError, match=r"^key_prefix 'ada' needs a Redis of your own"):
        Settings.load(key_prefix="ada")


# Secrets.


@pytest.mark.parametrize(
    "name", ["sasl.password", "ssl.key.password", "client.secret", "bearer.token", "ssl.key.pem"]
)
def test_secret_properties_of_librdkafka_are_never_printed(name: str) -> None:
    settings = Settings.load(kafka="host:1", redis="redis://host", kafka_conf={name: "s3cret"})
    assert f"{name}=***" in str(list(settings.origins({})))
    cluster, _ = settings.servers("test")
    assert "s3cret" not in f"{list(settings.origins({}))}{cluster}{cluster!r}"
    assert "s3cret" in settings.as_environment().values()


@pytest.mark.parametrize(
    "value", ["s3cret", '["s3cret"]', '{"sasl.password": {"a": "s3cret"}}', '{"a": ["s3cret"]}']
)
def test_an_invalid_property_of_librdkafka_is_one_line_without_its_value(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("RUSHHOUR_KAFKA_CONF", value)
    with pytest.raises(UsageError, match=r"^kafka_conf is invalid: ") as caught:
        Settings.load()
    assert "s3cret" not in str(caught.value) + repr(caught.value.__cause__)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("url", ["redis://:secret@host:1/2", "unix:///a?password=secret"])
def test_origins_mask_passwords_and_other_processes_get_them(url: str) -> None:
    settings = Settings.load(redis=url)
    assert settings.redis == settings.as_environment()["RUSHHOUR_REDIS"] == url
    assert "secret" not in f"{list(settings.origins({}))}{settings.redis_address!r}"


@pytest.mark.parametrize("hour", ["soon", "2024-10-02 23:30"])
def test_a_start_that_is_not_an_hour_is_refused(hour: str) -> None:
    with pytest.raises(UsageError, match=f"'{hour}' is not "):
        Settings.load(start_at=hour)


def test_a_start_is_an_hour_of_the_run() -> None:
    settings = Settings.load(start_at="2024-10-02 23:00", from_hour="2024-10-02")
    first, end = settings.window
    settings.check_start(first, end)
    for start in ("2024-10-01 23:00", "2024-11-01"):
        other = Settings.load(start_at=start, from_hour="2024-10-02")
        with pytest.raises(UsageError, match=r"is not an hour of the run, which goes from 2024-10"):
            other.check_start(first, end)


def test_a_loop_needs_a_whole_week() -> None:
    Settings.load(loop=True, from_hour="2024-10-02 23:00", until_hour="2024-10-09 22:00")
    with pytest.raises(UsageError, match="loop needs at least one whole week to play again"):
        Settings.load(loop=True, from_hour="2024-10-02 23:00", until_hour="2024-10-09 21:00")
