"""Predictions of users beside those of the run: taken in time, refused by reason, scored alike."""

import json
import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import pytest

from rushhour.core import keys
from rushhour.core.arrays import Floats
from rushhour.core.codec import hour_start_codec
from rushhour.core.events import HourStart
from rushhour.core.hours import hour_label
from rushhour.core.models import SAME_HOUR_LAST_WEEK, SERVED
from rushhour.core.topics import DEAD_LETTERS, SUBMISSIONS, Message, partition_of, zone_key
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.runtime.dead_letters import read_dead_letters
from rushhour.runtime.failpoints import VARIABLE
from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.storage.runs import load_offsets
from rushhour.storage.submissions import SCORED
from tests.fixtures.consumers import (
    HOUR,
    HOURS,
    PARTITIONS,
    RUN,
    START,
    ConsumerRunner,
    after,
    between,
    predictions,
    rides,
    until,
)
from tests.fixtures.redis_server import contents
from tests.fixtures.settings import SettingsFactory
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.integration

Fields = dict[str, Any]
KEY = keys.submitted_model("mine")


def demand(index: int, zone: int) -> float:
    return round((zone * 3 + index) % 8 + 0.25, 4)


def prediction(index: int, zone: int = 1, **change: Any) -> Fields:
    fields = {
        "model": "mine",
        "pickup_location_id": zone,
        "pickup_ts": START + index * HOUR,
        "predicted_demand": demand(index, zone),
    }
    return fields | change


def of_hours(indexes: Iterable[int], zones: Iterable[int] = ZONE_IDS) -> list[Fields]:
    zones = list(zones)
    return [prediction(index, zone) for index in indexes for zone in zones]


def submit(consumer: ConsumerRunner, records: Iterable[Fields]) -> None:
    """Send records as any client would: by the default partitioner, if the zone is one."""
    batches: dict[int, list[Message]] = {}
    for fields in records:
        zone, value = fields.get("pickup_location_id"), json.dumps(fields).encode()
        partition, key = 0, None
        if isinstance(zone, int):
            partition, key = partition_of(zone, PARTITIONS), zone_key(zone)
        batches.setdefault(partition, []).append((key, value))
    for partition, batch in batches.items():
        consumer.producer.send(SUBMISSIONS, partition, batch)
    consumer.producer.flush()


def start_hours(consumer: ConsumerRunner, indexes: Iterable[int]) -> None:
    """Say that hours begin, as the producer does."""
    codec = hour_start_codec(RUN)
    messages = [(None, codec.encode(HourStart(START + index * HOUR))) for index in indexes]
    for partition in range(PARTITIONS):
        consumer.producer.send(SUBMISSIONS, partition, messages)
    consumer.producer.flush()


def split(found: dict[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Return the keys of submissions, and all others without their counts in `quality`."""
    own = {key: value for key, value in found.items() if ":submitted:" in key}
    others = {key: value for key, value in found.items() if key not in own}
    quality = others["quality"]
    assert isinstance(quality, dict)
    prefix = keys.REJECTED_SUBMISSIONS
    own["rejected"] = {
        name.removeprefix(prefix): int(count)
        for name, count in quality.items()
        if name.startswith(prefix)
    }
    others["quality"] = {
        name: count for name, count in quality.items() if not name.startswith(prefix)
    }
    return own, others


def letters(consumer: ConsumerRunner) -> dict[str, int]:
    """The copies of rejected submissions by reason, each position once."""
    start = load_offsets(consumer.client, DEAD_LETTERS)
    found = [
        each.letter.reason
        for each in read_dead_letters(consumer.cluster, start, RUN)
        if each.letter.topic == SUBMISSIONS
    ]
    return {reason: found.count(reason) for reason in dict.fromkeys(found)}


def scores(taken: Floats) -> dict[str, str]:
    """What the hash of the model must hold, from the definitions, given `float64[hours, zones]`."""
    actual = np.array([[each.rides for each in rides(index)] for index in range(HOURS)], float)
    reference = np.array(
        [
            [each.other_models[SAME_HOUR_LAST_WEEK] for each in predictions(index)]
            for index in range(HOURS)
        ],
        float,
    )
    expected: dict[str, str] = {
        "hour": hour_label(START + (HOURS - 1) * HOUR),
        "taken": str(int((~np.isnan(taken)).sum())),
    }
    for window in (24, 168):
        errors = (taken - actual)[-window:]
        errors_of_reference = (reference - actual)[-window:]
        known = ~np.isnan(errors)
        both = known & ~np.isnan(errors_of_reference)
        base = float(np.abs(errors_of_reference[both]).sum())
        skill = str(round(1 - float(np.abs(errors[both]).sum()) / base, 4)) if base else "n/a"
        expected |= {
            f"pairs_{window}h": str(int(known.sum())),
            f"mae_{window}h": str(round(float(np.abs(errors[known]).mean()), 4)),
            f"rmse_{window}h": str(round(float(np.sqrt((errors[known] ** 2).mean())), 4)),
            f"bias_{window}h": str(round(float(errors[known].mean()), 4)),
            f"deviance_{window}h": str(round(deviance(actual[-window:], taken[-window:]), 4)),
            f"skill_{window}h": skill,
        }
    return expected


def deviance(rides: Floats, predicted: Floats) -> float:
    """The mean of 2 (y ln(y / m) - y + m), one pair at a time."""
    terms = [
        2 * ((y * math.log(y / max(m, 0.0001)) if y else 0.0) - y + max(m, 0.0001))
        for y, m in zip(rides.ravel().tolist(), predicted.ravel().tolist(), strict=True)
        if not math.isnan(m)
    ]
    return math.fsum(terms) / len(terms)


def column_of(index: int) -> list[float]:
    return [demand(index, zone) for zone in ZONE_IDS]


@pytest.mark.also_on_kafka
@pytest.mark.parametrize("consumers", [1, 2])
def test_what_comes_in_time_is_scored_and_all_other_keys_are_as_without(
    consumer: ConsumerRunner, undisturbed_redis: dict[str, object], consumers: int
) -> None:
    consumer.prepare(consumers)
    submit(consumer, of_hours(range(3, HOURS)))
    start_hours(consumer, range(HOURS))
    consumer.publish(until(HOURS))
    consumer.run(consumers)
    own, others = split(contents(consumer.client))
    assert others == undisturbed_redis
    taken = np.full((HOURS, ZONE_COUNT), np.nan)
    taken[3:] = [column_of(index) for index in range(3, HOURS)]
    assert own.pop(KEY) == scores(taken)
    assert own.pop("rejected") == {}
    assert own == {
        keys.submitted_predictions("mine", hour_label(START + index * HOUR)): {
            str(zone): str(demand(index, zone)) for zone in ZONE_IDS
        }
        for index in range(3, HOURS)
    }


def test_a_run_without_submissions_writes_nothing_of_them(
    consumer: ConsumerRunner, undisturbed_redis: dict[str, object]
) -> None:
    consumer.prepare()
    start_hours(consumer, range(HOURS))
    consumer.publish(until(HOURS))
    consumer.run()
    assert contents(consumer.client) == undisturbed_redis
    assert not consumer.client.exists(keys.SUBMISSIONS)


REFUSED: list[tuple[str, Fields]] = [
    ("epoch_seconds", prediction(5, pickup_ts=(START + 5 * HOUR) // 1000)),
    ("not_an_int", prediction(5, pickup_ts=str(START + 5 * HOUR))),
    ("not_an_int", prediction(5, pickup_ts=float(START + 5 * HOUR))),
    ("not_an_int", prediction(5, pickup_location_id="1")),
    ("not_an_int", prediction(5, pickup_location_id=1.0)),
    ("late", prediction(2)),
    ("late", prediction(0)),
    ("twice", prediction(6)),
    ("twice", prediction(6, predicted_demand=7.0)),
    ("unknown_zone", prediction(5, pickup_location_id=266)),
    ("no_such_hour", prediction(HOURS)),
    ("no_such_hour", prediction(5, pickup_ts=START + 5 * HOUR + 1)),
    ("not_a_number", prediction(5, predicted_demand=float("nan"))),
    ("not_a_number", prediction(5, predicted_demand="2")),
    ("invalid_model", prediction(5, model=SERVED)),
    ("invalid_model", prediction(5, model="of mine")),
    ("undecodable", {"model": "mine"}),
]
COUNTS = {reason: [each for each, _ in REFUSED].count(reason) for reason, _ in REFUSED}


def test_what_cannot_be_scored_is_counted_by_reason_and_kept(
    consumer: ConsumerRunner, undisturbed_redis: dict[str, object]
) -> None:
    consumer.prepare()
    start_hours(consumer, range(3))
    submit(consumer, [prediction(6), prediction(5, zone=2), prediction(7, run_id="of another")])
    submit(consumer, [fields for _, fields in REFUSED])
    start_hours(consumer, range(3, HOURS))
    consumer.publish(until(HOURS))
    consumer.run()
    own, others = split(contents(consumer.client))
    assert others == undisturbed_redis
    assert own.pop("rejected") == COUNTS
    assert letters(consumer) == COUNTS
    taken = np.full((HOURS, ZONE_COUNT), np.nan)
    taken[6, 0], taken[5, 1] = demand(6, 1), demand(5, 2)
    assert own.pop(KEY) == scores(taken)
    assert len(own) == 2


def test_submissions_are_refused_while_the_run_goes_on(consumer: ConsumerRunner) -> None:
    """The order on the topic decides: the same records, before and after the hour has begun."""
    consumer.prepare()
    part = consumer.start()
    start_hours(consumer, range(8))
    consumer.publish(until(8))  # hours 0 to 7 are closed: it is the beginning of hour 8

    def held(key: str, field: str) -> int:
        return int(str(consumer.client.hget(key, field) or 0))

    submit(consumer, of_hours([8]))
    wait_until(lambda: held(KEY, "taken") == ZONE_COUNT, "the next hour is taken")
    late = keys.rejected_submissions_field("late")
    submit(consumer, of_hours([7]))
    wait_until(lambda: held(keys.QUALITY, late) == ZONE_COUNT, "the last hour is late")
    start_hours(consumer, [8])
    submit(consumer, of_hours([8]))
    wait_until(lambda: held(keys.QUALITY, late) == 2 * ZONE_COUNT, "the begun hour is late")
    consumer.publish(between(8, 9))
    wait_until(lambda: consumer.client.hget(KEY, "hour"), "it is scored before the run ends")
    start_hours(consumer, range(9, HOURS))
    consumer.publish(after(9))
    consumer.end(part)
    taken = np.full((HOURS, ZONE_COUNT), np.nan)
    taken[8] = column_of(8)
    assert consumer.client.hgetall(KEY) == scores(taken)


def mixed(consumer: ConsumerRunner, first: int, end: int) -> None:
    """Send some hours: predictions in time, late ones and repeated ones, and the events."""
    for index in range(first, end):
        submit(consumer, of_hours([index + 1], range(1, 40)))
        start_hours(consumer, [index])
        submit(consumer, of_hours([index], range(30, 50)))
        submit(consumer, of_hours([index + 1], range(1, 3)))
        consumer.publish(between(index, index + 1))


@pytest.fixture(scope="module")
def undisturbed_submissions(
    module_broker: str,
    undisturbed_redis: dict[str, object],
    redis_server: EmbeddedRedis,
    settings: SettingsFactory,
) -> dict[str, object]:
    """What Redis holds after `mixed` hours and a consumer left alone."""
    client = connect(redis_server.url)
    client.flushall()
    consumer = ConsumerRunner(settings(kafka=module_broker, redis=redis_server.url), client)
    consumer.prepare()
    consumer.publish(until(0))
    mixed(consumer, 0, HOURS)
    consumer.run()
    found = contents(client)
    own, others = split(found)
    assert others == undisturbed_redis
    assert own["rejected"] == {"late": 20 * HOURS, "twice": 2 * HOURS - 2, "no_such_hour": 41}
    return found


@pytest.mark.parametrize("failpoint", ["consumer.submissions", "consumer.submitted"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_consumer_killed_around_a_decision_ends_with_the_same(
    consumer: ConsumerRunner,
    undisturbed_submissions: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    failpoint: str,
    count: int,
) -> None:
    consumer.prepare()
    consumer.publish(until(0))
    monkeypatch.setenv(VARIABLE, f"{failpoint}={count}:kill")
    part = consumer.start()
    half = HOURS // 2
    mixed(consumer, 0, half)
    assert part.wait(60.0), "the consumer reaches the failpoint"
    monkeypatch.delenv(VARIABLE)
    mixed(consumer, half, HOURS)
    consumer.run()
    assert contents(consumer.client) == undisturbed_submissions
    own, _ = split(contents(consumer.client))
    assert letters(consumer) == own["rejected"]


def closed_after(consumer: ConsumerRunner, index: int) -> bool:
    return consumer.hours_closed() > index


def test_a_consumer_killed_at_any_time_ends_with_the_same(
    consumer: ConsumerRunner, undisturbed_submissions: dict[str, object]
) -> None:
    consumer.prepare()
    consumer.publish(until(0))
    for first in range(0, HOURS, 6):
        part = consumer.start()
        mixed(consumer, first, first + 6)
        wait_until(partial(closed_after, consumer, first), f"hour {first} is closed")
        consumer.kill(part)
    consumer.run()
    assert contents(consumer.client) == undisturbed_submissions


def forget_decisions(consumer: ConsumerRunner, offsets: dict[Any, Any]) -> None:
    """Put Redis back to before the decisions, as a restored copy would."""
    pipe = consumer.client.pipeline()
    for key in consumer.client.scan_iter(count=1_000):
        if ":submitted:" in str(key) or key == keys.SUBMISSIONS:
            pipe.delete(key)
    for field in consumer.client.hkeys(keys.QUALITY):
        if str(field).startswith(keys.REJECTED_SUBMISSIONS):
            pipe.hdel(keys.QUALITY, field)
    of_topic = {field: value for field, value in offsets.items() if SUBMISSIONS in field}
    pipe.hset(keys.OFFSETS, mapping=of_topic)
    pipe.execute()


def test_what_is_read_again_changes_nothing(
    consumer: ConsumerRunner, undisturbed_submissions: dict[str, object]
) -> None:
    """The same records lead to the same decisions, also after the end of the run."""
    consumer.prepare()
    before = consumer.offsets()
    consumer.publish(until(0))
    mixed(consumer, 0, HOURS)
    consumer.run()
    forget_decisions(consumer, before)
    consumer.run()
    assert contents(consumer.client) == undisturbed_submissions


def test_decisions_that_redis_has_lost_are_made_again(
    consumer: ConsumerRunner, undisturbed_submissions: dict[str, object]
) -> None:
    consumer.prepare()
    before = consumer.offsets()
    consumer.publish(until(0))
    part = consumer.start()
    mixed(consumer, 0, 10)
    scored = str(START + 9 * HOUR)
    wait_until(
        lambda: consumer.client.hget(keys.SUBMISSIONS, SCORED) == scored, "ten hours are scored"
    )
    forget_decisions(consumer, before)
    mixed(consumer, 10, HOURS)
    consumer.end(part)
    assert "resuming from what Redis holds" in part.log.read_text("utf-8")
    assert contents(consumer.client) == undisturbed_submissions
