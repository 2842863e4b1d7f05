"""`rushhour verify`: it passes a sound run, and finds whatever is wrong with one."""

import signal
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from rushhour.core.arrays import Counts
from rushhour.core.errors import VerificationError
from rushhour.core.horizons import Horizons
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.models import SERVED
from rushhour.core.topics import DEAD_LETTERS
from rushhour.core.version import VERSION
from rushhour.runtime import kafka_topics
from rushhour.runtime.batch_producer import BatchProducer
from rushhour.runtime.redis_client import read_hash
from rushhour.simulator.evaluation import verify as verify_module
from rushhour.simulator.evaluation.offline import Replayed, replay_horizons
from rushhour.simulator.evaluation.verification.check import Check
from rushhour.simulator.evaluation.verify import verify
from rushhour.storage.runs import load_run
from rushhour.storage.skips import RecordPosition, add_skip
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.finished_run import Begin, SavedCopy, hours_closed, serve_copy
from tests.fixtures.waiting import wait_until

ALERTS = "alerts equal an offline replay"
BOARD_MAE = "zones are ranked by the errors of 24 h"
BOARD_RIDES = "zones are ranked by the rides of the latest hour"
CITY = "the city shows its latest hour"
CLOCK = "the clock agrees with the closed hours"
CLOSED = "each partition has closed the hours that its zones show"
COVERAGE = "coverage is that of the last week"
ERRORS = "errors are predictions minus rides"
FILE = "the trip file is that of the run"
HOURLY = "city:hourly has each closed hour once"
MISSING = "every zone and closed hour has rides"
MODELS = "models show their scores"
OFFSETS = "offsets agree with the closed hours"
OVERLAP = "overlap is 1"
PREDICTIONS = "predictions equal an offline replay"
QUALITY = "quality counts the rows of the file and the closed hours"
RIDES = "rides equal a recount of the file"
STREAM = "the stream of alerts has each alert once"
UNKNOWN = "there are no keys of other runs"
ZONES = "zones show their latest hours and scores"


@pytest.fixture(autouse=True)
def replay_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay the same rides only once for all tests."""
    monkeypatch.setattr(verify_module, "replay_horizons", replay_cached)


@cache
def _replay(start_ts: int, hours: int, rides: bytes, horizons: Horizons) -> Replayed:
    return replay_horizons(start_ts, np.frombuffer(rides, np.int64).reshape(hours, -1), horizons)


def replay_cached(
    start_ts: int, rides: Counts, horizons: Horizons, **begins_with_nothing: object
) -> Replayed:
    return _replay(start_ts, len(rides), rides.tobytes(), horizons)


NOON, LAST, NEXT = "2024-10-02T12", "2024-10-02T23", "2024-10-03T00"
Tamper = Callable[[redis.Redis], object]


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


def an_hour_of_the_city_missing(client: redis.Redis) -> None:
    entries: Any = client.xrange("city:hourly")
    client.xdel("city:hourly", entries[20][0])


def the_last_hour_of_the_city_missing(client: redis.Redis) -> None:
    entries: Any = client.xrange("city:hourly")
    client.xdel("city:hourly", entries[-1][0])


def an_hour_of_the_city_with_other_rides(client: redis.Redis) -> None:
    entries: Any = client.xrange("city:hourly")
    client.delete("city:hourly")
    for entry_id, fields in entries:
        changed = {"rides": "1"} if fields["hour"] == NOON else {}
        client.xadd("city:hourly", fields | changed, id=entry_id)


def a_foreign_hour_of_the_city(client: redis.Redis) -> None:
    """Add an entry with a higher id than those of the run."""
    client.xadd("city:hourly", {"hour": "2030-01-01T00"}, id="1893456000000-0")


def a_foreign_entry_beside_an_hour(client: redis.Redis) -> None:
    entries: Any = client.xrange("city:hourly")
    client.xadd("city:hourly", entries[-1][1], id=f"{entries[-1][0].partition('-')[0]}-1")


def hset(key: str, field: str, value: object) -> Tamper:
    """Set a field of a key that the run has."""

    def tamper(client: redis.Redis) -> None:
        assert client.exists(key)
        client.hset(key, field, str(value))

    tamper.__name__ = f"{key} {field} = {value}"
    return tamper


def hdel(key: str, field: str) -> Tamper:
    def tamper(client: redis.Redis) -> None:
        assert client.hdel(key, field)

    tamper.__name__ = f"{key} {field} missing"
    return tamper


def delete(key: str) -> Tamper:
    def tamper(client: redis.Redis) -> None:
        assert client.delete(key)

    tamper.__name__ = f"{key} missing"
    return tamper


def new(key: str) -> Tamper:
    def tamper(client: redis.Redis) -> None:
        assert client.hset(key, "132", "5")

    tamper.__name__ = f"{key} of another run"
    return tamper


def board(key: str, zone: str, score: float | None) -> Tamper:
    def tamper(client: redis.Redis) -> None:
        assert client.zrem(key, zone)
        if score is not None:
            client.zadd(key, {zone: score})

    tamper.__name__ = f"{key} {zone} = {score}"
    return tamper


CASES: list[tuple[Tamper, set[str]]] = [
    (planted_off_by_one_hour, {RIDES}),
    (two_hours_swapped, {RIDES}),
    (one_ride_more, {RIDES}),
    (hset(f"rides:{NOON}", "132", "5.0"), {RIDES}),
    (hset(f"rides:{NOON}", "132", "many"), {RIDES}),
    (hset(f"rides:{NOON}", "999", "5"), {RIDES}),
    (an_hour_missing, {MISSING, RIDES}),
    (the_last_digit_of_a_prediction, {PREDICTIONS}),
    (a_baseline_one_hour_late, {"predictions of last_hour equal an offline replay"}),
    (a_prediction_missing, {PREDICTIONS}),
    (delete(f"predictions:{NEXT}"), {PREDICTIONS}),
    (hset(f"predictions:{NEXT}", "132", "99.5"), {PREDICTIONS}),
    (hset(f"medians:{NOON}", "132", "0.0001"), {"medians equal an offline replay"}),
    (delete(f"medians:{NEXT}"), {"medians equal an offline replay"}),
    (the_lower_end_of_an_interval, {"lower ends of intervals equal an offline replay"}),
    (the_upper_end_of_an_interval, {"upper ends of intervals equal an offline replay"}),
    (hset(f"upper:{NEXT}", "1", "99.5"), {"upper ends of intervals equal an offline replay"}),
    (hset(f"errors:{NOON}", "132", "0.0001"), {ERRORS}),
    (delete(f"errors:{LAST}"), {ERRORS}),
    (an_alert_of_an_hour, {ALERTS}),
    (an_alert_in_the_stream, {STREAM}),
    (an_alert_of_the_opposite_direction, {ALERTS, STREAM}),
    (an_alert_twice, {ALERTS, STREAM}),
    *(
        (hset("zone:132", field, value), {ZONES})
        for field, value in {
            "name": "Elsewhere",
            "borough": "Elsewhere",
            "hour": NOON,
            "rides": 77,
            "prediction": 77.5,
            "median": 77.5,
            "lower": 0.5,
            "upper": 77.5,
            "error": "n/a",
            "next_hour": NOON,
            "next_prediction": 77.5,
            "next_median": 77.5,
            "next_lower": 77.5,
            "next_upper": 77.5,
            "mae_24h": 9.5,
            "rmse_168h": "n/a",
            "bias_24h": 9.5,
            "skill_24h": 9.5,
            "coverage_168h": 0.5,
            "unknown": 1,
        }.items()
    ),
    (hdel("zone:265", "upper"), {ZONES}),
    (delete("zone:7"), {ZONES}),
    (board("board:mae:24h", "132", 99.5), {BOARD_MAE}),
    (board("board:mae:24h", "7", None), {BOARD_MAE}),
    (board("board:rides", "132", 99), {BOARD_RIDES}),
    (board("board:rides", "7", None), {BOARD_RIDES}),
    (hset(f"model:{SERVED}", "mae_24h", 9.5), {MODELS}),
    (hset(f"model:{SERVED}", "coverage_168h", "n/a"), {MODELS}),
    (hset(f"model:{SERVED}", "wis_168h", 9.5), {MODELS}),
    (hset(f"model:{SERVED}", "deviance_24h", 9.5), {MODELS}),
    (hset("model:last_hour", "rmse_168h", 9.5), {MODELS}),
    (hset("model:last_hour", "hour", NOON), {MODELS}),
    (hset("model:last_hour", "coverage_24h", 0.5), {MODELS}),
    (delete("model:last_hour"), {MODELS}),
    (hset("coverage", "1-5", 0.5), {COVERAGE}),
    (hdel("coverage", "100+"), {COVERAGE}),
    *(
        (hset("city", field, value), {CITY})
        for field, value in {
            "hour": NOON,
            "rides": 9,
            "prediction": 9.5,
            "error": 9.5,
            "mae": 9.5,
            "coverage": 0.5,
            "rides_so_far": 9,
            "next_hour": NOON,
            "next_prediction": 9.5,
        }.items()
    ),
    (an_hour_of_the_city_missing, {HOURLY}),
    (the_last_hour_of_the_city_missing, {HOURLY}),
    (an_hour_of_the_city_with_other_rides, {HOURLY}),
    (a_foreign_hour_of_the_city, {HOURLY}),
    (a_foreign_entry_beside_an_hour, {HOURLY}),
    *(
        (hset("quality", field, 9), {QUALITY})
        for field in (
            "rows_read",
            "trips_usable",
            "rejected:null_time",
            "hours_closed",
            "rides",
            "pairs_due",
            "pairs_scored",
            "alerts",
            "unknown",
        )
    ),
    (hdel("quality", "rejected:unknown_zone"), {QUALITY}),
    (a_claim_of_less_overlap, {OVERLAP}),
    (hset("sim:closed", "1", 1_727_740_800_000), {CLOSED}),
    (hset("sim:closed", "9", 1_727_740_800_000), {CLOSED}),
    (hdel("sim:closed", "0"), {CLOSED}),
    (hset("sim:offsets", "predictions:1", 100), {OFFSETS}),
    (hset("sim:offsets", "hourly_rides:0", -1), {OFFSETS}),
    (hset("sim:offsets", "alerts:3", "x"), {OFFSETS}),
    (hset("sim:offsets", "rides:3", 5), {OFFSETS}),
    (hdel("sim:offsets", "trips:2"), {OFFSETS}),
    (hdel("sim:offsets", "predictions:1"), {OFFSETS}),
    (hset("sim:offsets", "predictions:99999999", 1), {OFFSETS}),
    (hset("sim:clock", "trips", 9), {CLOCK}),
    (hset("sim:clock", "now_ts", 1), {CLOCK}),
    (delete("sim:clock"), {CLOCK}),
    (new("rides:2030-01-01T00"), {UNKNOWN}),
    (new(f"rides:{NEXT}"), {UNKNOWN}),
    (new(f"predictions:of_another_run:{NOON}"), {UNKNOWN}),
    (new("model:of_another_run"), {UNKNOWN}),
    (new("zone:999"), {UNKNOWN}),
    (hset("sim:run", "rows", 9), {FILE}),
    (hset("sim:run", "sha256", "0"), {FILE}),
    (hset("sim:run", "damage", "WRONGTYPE"), {"every transaction was written as a whole"}),
]


@pytest.mark.parametrize(
    ("tamper", "failing"), CASES, ids=[getattr(tamper, "__name__", "") for tamper, _ in CASES]
)
def test_what_is_wrong_with_a_run_is_found(
    saved_copy: SavedCopy, two_days: Path, tamper: Tamper, failing: set[str]
) -> None:
    with saved_copy() as (_, client):
        tamper(client)
        checks = list(verify(client, load_run(client), [two_days]))
    assert {check.name for check in checks if not check.passed} == failing


def test_every_key_of_a_run_has_a_case(saved_copy: SavedCopy) -> None:
    """A key that a later change adds must get a check."""
    without_check = {
        *("sim:commands", "sim:timeline", "sim:manifest", "sim:repeated"),
        *("sim:duplicates", "sim:recovery", "sim:skipped"),
    }
    with saved_copy() as (_, client):
        written = {first_words(str(key)) for key in client.scan_iter()}
    covered = {first_words(key) for key in COVERED}
    assert written - covered <= without_check | {"sim:lease", "sim:epoch"}


COVERED = (
    "rides:x", "errors:x", "predictions:x", "medians:x",
    "lower:x", "upper:x", "alerts:x", "alerts", "zone:1",
    "board:mae:24h", "board:rides", "model:x", "coverage", "city", "city:hourly", "quality",
    "sim:closed", "sim:offsets", "sim:clock", "sim:run",
)  # fmt: skip


def first_words(key: str) -> str:
    """Return the kind of a key: its first word, or the first two."""
    words = key.split(":")
    return ":".join(words[: 2 if words[0] in {"sim", "city", "board"} else 1])


def test_what_the_processes_have_not_written_yet_is_a_note(
    saved_copy: SavedCopy, two_days: Path
) -> None:
    with saved_copy() as (_, client):
        client.hset("sim:clock", "state", "running")
        add_skip(client, RecordPosition("trips", 2, 17))
        checks = list(verify(client, load_run(client), [two_days]))
    notes = {check.name: check.detail for check in checks if check.status == "note"}
    assert [check for check in checks if not check.passed] == []
    assert "the producer ended before it wrote its end" in notes.pop(CLOCK)
    assert "topic 'trips' partition 2 offset 17" in notes.pop(
        "records were passed over by `rushhour skip`"
    )
    assert notes == {}


@pytest.mark.parametrize("difference", [0, 1])
def test_offsets_are_compared_with_kafka(
    saved_copy: SavedCopy, two_days: Path, broker: str, difference: int
) -> None:
    cluster = KafkaCluster(broker)
    with saved_copy() as (_, client):
        offsets = read_hash(client, "sim:offsets")
        producer = BatchProducer(cluster)
        for field, offset in offsets.items():
            topic, partition = field.split(":")
            count = int(offset) - (difference if field == "predictions:2" else 0)
            producer.send(topic, int(partition), [(None, b"x") for _ in range(count)])
        producer.send(DEAD_LETTERS, 0, [(None, b"x")])
        producer.flush()
        checks = {
            check.name: check for check in verify(client, load_run(client), [two_days], cluster)
        }
    offsets_check = checks["offsets agree with the closed hours and with Kafka"]
    assert offsets_check.passed == (difference == 0)
    assert ("predictions:2 is " in offsets_check.detail) == (difference == 1)
    assert checks["records were rejected"].detail.startswith("1: see them with")


def test_without_an_answer_of_kafka_the_rest_is_verified(
    saved_copy: SavedCopy, two_days: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_topics, "_METADATA_TIMEOUT_S", 0.5)
    cluster = KafkaCluster("127.0.0.1:1")
    with saved_copy() as (_, client):
        checks = list(verify(client, load_run(client), [two_days], cluster))
    assert [check for check in checks if not check.passed] == []
    (note,) = [check for check in checks if check.status == "note"]
    assert note.name == "offsets are not compared with Kafka"
    assert "Kafka at 127.0.0.1:1" in note.detail


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
            list(verify(client, load_run(client), [two_days]))
        ended = cli(after_run, "verify", "--redis", url)
        assert ended.code == 7
        assert f"the models of the run ({SERVED}, of_long_ago) are not those" in ended.one_line()


def test_a_run_of_another_version_is_verified_with_a_note(
    saved_copy: SavedCopy, two_days: Path
) -> None:
    with saved_copy() as (_, client):
        client.hset("sim:run", "version", "0.0.1")
        checks = list(verify(client, load_run(client), [two_days]))

    assert [check for check in checks if check.status != "ok"] == [
        Check(
            "the run is of another version",
            "note",
            f"rushhour 0.0.1, and this is {VERSION}: their results may differ",
        )
    ]


def test_verify_compares_the_closed_hours_of_an_unfinished_run(
    cli: Cli, rushhour: Rushhour, begin: Begin
) -> None:
    running, client = begin()
    wait_until(lambda: hours_closed(client) >= 3, "three hours are closed")
    live = cli(rushhour, "verify")
    running.process.send_signal(signal.SIGINT)
    running.end()
    saved = cli(rushhour, "verify")

    for shown in (live, saved):
        assert (shown.code, shown.stderr) == (0, "")
        first, *others = shown.stdout.splitlines()
        assert first.startswith("note the run is unfinished: ")
        assert first.endswith(" of 48 hours are closed: only these are compared")
        assert [line for line in others if not line.startswith("ok ")] == []
    assert "offsets agree with the closed hours and with Kafka" in live.stdout
    assert "offsets agree with the closed hours: " in saved.stdout

    cli(rushhour, "verify")
    with serve_copy(rushhour.state_dir, rushhour.directory) as (_, copy):
        run = load_run(copy)
        copy.hset("rides:2024-10-02T23", "265", 9)  # not closed, so not compared
        copy.hset("predictions:2024-10-01T02", "132", "77.5")
        copy.hset("zone:132", "mae_24h", "9.5")
        failed = [check.name for check in verify(copy, run, [Path(run.file)]) if not check.passed]
    assert failed == [PREDICTIONS, ZONES]


def test_before_the_first_closed_hour_there_is_nothing_to_compare(
    cli: Cli, after_run: Rushhour, saved_copy: SavedCopy
) -> None:
    with saved_copy() as (url, client):
        client.delete("city", "city:hourly")
        shown = cli(after_run, "verify", "--redis", url)
    assert (shown.code, shown.stderr) == (0, "")
    count = "0 of 48 hours are closed: there is nothing to compare yet"
    assert shown.stdout.splitlines() == [f"note the run is unfinished: {count}"]
