"""`rushhour verify`: it passes a sound run, and finds whatever is wrong with one."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

from rushhour.core.errors import VerificationError
from rushhour.core.models import SERVED
from rushhour.simulator.evaluation.verify import verify
from rushhour.storage.runs import load_run
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.finished_run import SavedCopy

ALERTS = "alerts equal an offline replay"
STREAM = "the stream of alerts has each alert once"


def test_a_run_that_equals_its_file_passes(cli: Cli, after_run: Rushhour) -> None:
    shown = cli(after_run, "verify")

    assert (shown.code, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == []
    for name in ("rides equal a recount of the file", "last_hour equal an offline replay"):
        assert any(name in line for line in lines)


def planted_off_by_one_hour(client: redis.Redis) -> None:
    """Move every hour's rides to the hour before."""
    hours = sorted(client.scan_iter("rides:*"))
    for hour, following in pairwise(hours):
        client.delete(hour)
        client.rename(following, hour)
    client.copy(hours[-2], hours[-1])


def two_hours_swapped(client: redis.Redis) -> None:
    one, other = "rides:2024-10-01T08", "rides:2024-10-01T09"
    assert client.hgetall(one) != client.hgetall(other)
    for source, target in ((one, "aside"), (other, one), ("aside", other)):
        client.rename(source, target)


def one_ride_more(client: redis.Redis) -> None:
    client.hincrby("rides:2024-10-02T23", "265", 1)


def the_last_digit_of_a_prediction(client: redis.Redis) -> None:
    key = "predictions:2024-10-02T12"
    changed = round(float(str(client.hget(key, "132"))) + 0.0001, 4)
    client.hset(key, "132", str(changed))


def a_baseline_one_hour_late(client: redis.Redis) -> None:
    client.rename("predictions:last_hour:2024-10-02T12", "predictions:last_hour:2024-10-02T13")


def a_prediction_missing(client: redis.Redis) -> None:
    client.hdel("predictions:2024-10-02T12", "7")


def an_hour_missing(client: redis.Redis) -> None:
    client.delete("rides:2024-10-02T00")


def the_lower_end_of_an_interval(client: redis.Redis) -> None:
    client.hset("lower:2024-10-02T12", "132", "0.0001")


def the_upper_end_of_an_interval(client: redis.Redis) -> None:
    client.hset("upper:2024-10-02T12", "265", "999.0")


def an_alert(**fields: str) -> dict[Any, Any]:
    return {
        "hour": "2024-10-02T12",
        "zone": "132",
        "direction": "above",
        "relative_change": "0.5",
    } | fields


def an_alert_of_an_hour(client: redis.Redis) -> None:
    client.hset("alerts:2024-10-02T12", "132", "0.5")


def an_alert_in_the_stream(client: redis.Redis) -> None:
    client.xadd("alerts", an_alert())


def an_alert_of_the_opposite_direction(client: redis.Redis) -> None:
    an_alert_of_an_hour(client)
    client.xadd("alerts", an_alert(direction="below"))


def an_alert_twice(client: redis.Redis) -> None:
    an_alert_of_an_hour(client)
    for _ in range(2):
        an_alert_in_the_stream(client)


def a_claim_of_less_overlap(client: redis.Redis) -> None:
    client.hset("quality", "overlap", "0.9999")


@pytest.mark.parametrize(
    ("tamper", "failing"),
    [
        (planted_off_by_one_hour, {"rides equal a recount of the file"}),
        (two_hours_swapped, {"rides equal a recount of the file"}),
        (one_ride_more, {"rides equal a recount of the file"}),
        (
            the_last_digit_of_a_prediction,
            {f"predictions of {SERVED} equal an offline replay"},
        ),
        (a_baseline_one_hour_late, {"predictions of last_hour equal an offline replay"}),
        (
            a_prediction_missing,
            {
                f"predictions of {SERVED} equal an offline replay",
                "overlap is 1",
            },
        ),
        (
            an_hour_missing,
            {
                "every zone and closed hour has rides",
                "rides equal a recount of the file",
                "overlap is 1",
            },
        ),
        (the_lower_end_of_an_interval, {"lower ends of intervals equal an offline replay"}),
        (the_upper_end_of_an_interval, {"upper ends of intervals equal an offline replay"}),
        (an_alert_of_an_hour, {ALERTS, STREAM}),
        (an_alert_in_the_stream, {STREAM}),
        (an_alert_of_the_opposite_direction, {ALERTS, STREAM}),
        (an_alert_twice, {ALERTS, STREAM}),
        (a_claim_of_less_overlap, {"overlap is 1"}),
    ],
)
def test_what_is_wrong_with_a_run_is_found(
    saved_copy: SavedCopy,
    two_days: Path,
    tamper: Callable[[redis.Redis], None],
    failing: set[str],
) -> None:
    with saved_copy() as (_, client):
        tamper(client)
        checks = list(verify(client, load_run(client), two_days))
    assert {check.name for check in checks if not check.passed} == failing


def test_the_command_fails_for_a_planted_off_by_one_hour(
    cli: Cli, after_run: Rushhour, saved_copy: SavedCopy
) -> None:
    with saved_copy() as (url, client):
        planted_off_by_one_hour(client)
        ended = cli(after_run, "verify", "--redis", url)

    assert ended.code == 7
    assert "rushhour: 1 check failed" in ended.one_line()
    assert "FAIL rides equal a recount of the file" in ended.stdout


def test_unknown_models_cannot_be_verified(
    cli: Cli, after_run: Rushhour, saved_copy: SavedCopy, two_days: Path
) -> None:
    with saved_copy() as (url, client):
        client.hset("sim:run", "models", f"{SERVED},of_long_ago")
        with pytest.raises(VerificationError, match="verify it with the rushhour that made it"):
            list(verify(client, load_run(client), two_days))
        ended = cli(after_run, "verify", "--redis", url)
        assert ended.code == 7
        assert f"the models of the run ({SERVED}, of_long_ago) are not those" in ended.one_line()


@pytest.mark.parametrize(
    ("closed", "note"), [(30, "only these are compared"), (0, "there is nothing to compare yet")]
)
def test_verify_compares_the_closed_hours_of_an_unfinished_run(
    cli: Cli, after_run: Rushhour, saved_copy: SavedCopy, closed: int, note: str
) -> None:
    with saved_copy() as (url, client):
        stop_after(client, closed)
        shown = cli(after_run, "verify", "--redis", url)
    assert (shown.code, shown.stderr) == (0, "")
    first, *others = shown.stdout.splitlines()
    count = f"{closed} of 48 hours are closed"
    assert first.split(maxsplit=1) == ["note", f"the run is unfinished: {count}: {note}"]
    assert [line for line in others if not line.startswith("ok ")] == []
    assert len(others) == (14 if closed else 0)


def test_verify_finds_what_is_wrong_with_an_unfinished_run(
    saved_copy: SavedCopy, two_days: Path
) -> None:
    with saved_copy() as (_, client):
        stop_after(client, 38)
        client.hset("rides:2024-10-02T23", "265", 9)  # not closed, so not compared
        the_last_digit_of_a_prediction(client)
        checks = list(verify(client, load_run(client), two_days))
    failed = [check.name for check in checks if not check.passed]
    assert failed == [f"predictions of {SERVED} equal an offline replay"]


def stop_after(client: redis.Redis, hours: int) -> None:
    """Leave what a run has in Redis whose consumer stopped after so many hours."""
    entries: Any = client.xrange("city:hourly")
    client.xdel("city:hourly", *(entry_id for entry_id, _ in entries[hours:]))
    for _, fields in entries[hours + 1 :]:
        keys_of_hour = client.keys(f"*:{fields['hour']}")
        assert keys_of_hour
        client.delete(*keys_of_hour)
    following = entries[hours][1]["hour"]  # has a forecast, but no rides
    client.delete(*(f"{table}:{following}" for table in ("rides", "errors", "alerts")))
