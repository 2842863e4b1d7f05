"""One consumer: events delivered twice, out of order, or while it is killed."""

from collections.abc import Iterable
from itertools import permutations

import numpy as np
import pytest

from rushhour.core import keys
from rushhour.core.hours import hour_label
from rushhour.core.models import SERVED
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS, partition_of
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.scoring.bands import BANDS, band_of
from tests.fixtures.command import Rushhour
from tests.fixtures.consumers import (
    HOUR,
    HOURS,
    MODELS,
    PARTITIONS,
    START,
    ConsumerRunner,
    after,
    alerts,
    alerts_of,
    block,
    change_of,
    predictions,
    rides,
    topic_of,
    until,
)
from tests.fixtures.redis_server import contents
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.mark.also_on_kafka
def test_the_events_of_a_run_are_all_in_redis(undisturbed_redis: dict[str, object]) -> None:
    for index in range(HOURS + 1):
        label = hour_label(START + index * HOUR)
        events = predictions(index)
        for key, values in {
            f"predictions:{label}": [event.predicted_demand for event in events],
            f"medians:{label}": [event.predicted_median for event in events],
            f"lower:{label}": [event.lower for event in events],
            f"upper:{label}": [event.upper for event in events],
        }.items():
            by_zone = zip(ZONE_IDS, values, strict=True)
            assert undisturbed_redis[key] == {str(zone): str(value) for zone, value in by_zone}
        for position, name in enumerate(MODELS[1:]):
            expected = {
                str(event.pickup_location_id): str(event.other_models[name]) for event in events
            }
            key = f"predictions:{name}:{label}"
            assert undisturbed_redis.get(key) == (expected if index > position else None)


def test_alerts_are_kept_with_the_hour_that_raised_them(
    undisturbed_redis: dict[str, object],
) -> None:
    found = {key: value for key, value in undisturbed_redis.items() if key.startswith("alerts:")}
    expected = {
        f"alerts:{hour_label(START + index * HOUR)}": {
            str(zone): str(change_of(index, zone)) for zone in ZONE_IDS if change_of(index, zone)
        }
        for index in range(HOURS)
    }
    assert found == {key: hash_ for key, hash_ in expected.items() if hash_}
    assert len(found) == HOURS * 2 // 3


def test_every_alert_of_a_closed_hour_is_in_the_stream(
    undisturbed_redis: dict[str, object],
) -> None:
    found = alerts_of(range(HOURS))
    assert undisturbed_redis["alerts"] == found
    assert {fields["direction"] for _, fields in found} == {"above", "below"}
    assert {partition_of(int(fields["zone"]), PARTITIONS) for _, fields in found} == {0, 1, 2, 3}
    quality = undisturbed_redis["quality"]
    assert isinstance(quality, dict)
    assert quality["alerts"] == str(len(found))


def covered(hours: Iterable[int], zone: int | None = None, band: str | None = None) -> list[bool]:
    """Whether the rides of hours lay within their intervals; of all zones, or of one."""
    return [
        event.lower <= came.rides <= event.upper
        for index in hours
        for event, came in zip(predictions(index), rides(index), strict=True)
        if zone in (None, event.pickup_location_id)
        if band in (None, BANDS[band_of(np.array([event.predicted_demand]))[0]])
    ]


def share(flags: list[bool]) -> str:
    return str(round(sum(flags) / len(flags), 4)) if flags else "n/a"


def test_coverage_is_the_share_of_rides_within_their_intervals(
    undisturbed_redis: dict[str, object],
) -> None:
    day, all_hours = range(HOURS - 24, HOURS), range(HOURS)
    model, last_hour = undisturbed_redis[f"model:{SERVED}"], undisturbed_redis["city"]
    assert isinstance(model, dict)
    assert isinstance(last_hour, dict)
    assert model["coverage_24h"] == share(covered(day)) != "1.0"
    assert model["coverage_168h"] == share(covered(all_hours)) != model["coverage_24h"]
    assert last_hour["coverage"] == share(covered([HOURS - 1]))
    for zone in (1, 132, 265):
        found = undisturbed_redis[f"zone:{zone}"]
        assert isinstance(found, dict)
        assert found["coverage_24h"] == share(covered(day, zone))
        assert found["coverage_168h"] == share(covered(all_hours, zone))
    bands = {band: share(covered(all_hours, band=band)) for band in BANDS}
    assert undisturbed_redis["coverage"] == bands
    assert bands["1-5"] not in ("1.0", bands["5-20"])
    assert bands["20-100"] == "n/a"
    hourly = undisturbed_redis["city:hourly"]
    assert isinstance(hourly, list)
    found_hourly = [fields["coverage"] for _, fields in hourly]
    assert found_hourly == [share(covered([index])) for index in all_hours]


def test_only_the_served_model_has_a_coverage(undisturbed_redis: dict[str, object]) -> None:
    for name in MODELS[1:]:
        found = undisturbed_redis[f"model:{name}"]
        assert isinstance(found, dict)
        assert not [field for field in found if "coverage" in field]


def test_a_zone_has_the_interval_of_its_latest_hour_and_of_its_next(
    undisturbed_redis: dict[str, object],
) -> None:
    for latest, following in zip(predictions(HOURS - 1), predictions(HOURS), strict=True):
        found = undisturbed_redis[f"zone:{latest.pickup_location_id}"]
        assert isinstance(found, dict)
        assert {name: found[name] for name in ("prediction", "median", "lower", "upper")} == {
            "prediction": str(latest.predicted_demand),
            "median": str(latest.predicted_median),
            "lower": str(latest.lower),
            "upper": str(latest.upper),
        }
        assert {name: value for name, value in found.items() if name.startswith("next_")} == {
            "next_hour": hour_label(START + HOURS * HOUR),
            "next_prediction": str(following.predicted_demand),
            "next_median": str(following.predicted_median),
            "next_lower": str(following.lower),
            "next_upper": str(following.upper),
        }


@pytest.mark.also_on_kafka
def test_events_delivered_twice_count_once(
    consumer: ConsumerRunner, undisturbed_redis: dict[str, object]
) -> None:
    consumer.prepare()
    for index in range(HOURS):
        events = block(index)
        consumer.publish([*(until(0) if index == 0 else []), *events, *events])
    consumer.publish(until(HOURS))
    consumer.run()

    assert contents(consumer.client) == undisturbed_redis


@pytest.mark.parametrize("order", list(permutations((HOURLY_RIDES, PREDICTIONS, ALERTS))))
def test_it_does_not_matter_which_topic_comes_first(
    consumer: ConsumerRunner, undisturbed_redis: dict[str, object], order: tuple[str, ...]
) -> None:
    consumer.prepare()
    for topic in order:
        consumer.publish(event for event in until(HOURS) if topic_of(event)[0] == topic)
    consumer.run()

    assert contents(consumer.client) == undisturbed_redis


@pytest.mark.parametrize("at", [0, 26])
@pytest.mark.also_on_kafka
def test_a_consumer_killed_between_hours_resumes(
    consumer: ConsumerRunner,
    undisturbed_redis: dict[str, object],
    at: int,
) -> None:
    consumer.prepare()
    consumer.publish(until(at))
    part = consumer.start()
    label = hour_label(START + at * HOUR)
    wait_until(
        lambda: consumer.client.hlen(keys.predictions(label)) == ZONE_COUNT,
        "the forecast is in Redis",
    )
    # It comes with the hour before it, and never alone.
    before = str(START + (at - 1) * HOUR)
    assert set(consumer.client.hgetall(keys.CLOSED).values()) == ({before} if at else set())
    wait_until(lambda: consumer.hours_closed() == at, "the hours are closed for the city")
    consumer.kill(part)
    consumer.publish(after(at))
    consumer.run()

    assert contents(consumer.client) == undisturbed_redis


def test_a_consumer_killed_while_a_forecast_waits_for_its_hour_resumes(
    consumer: ConsumerRunner,
    undisturbed_redis: dict[str, object],
) -> None:
    """The forecast for hour 4 has come, the rides of hour 3 have not: topics may be so."""
    consumer.prepare()
    consumer.publish([*until(3), *predictions(4)])
    part = consumer.start()
    wait_until(lambda: consumer.hours_closed() == 3, "3 hours are closed")
    consumer.kill(part)
    # Not in Redis before its hour is: a restart would not know of it.
    assert not consumer.client.exists(keys.predictions(hour_label(START + 4 * HOUR)))
    consumer.publish([*rides(3), *alerts(3), *after(4)])
    consumer.run()

    assert contents(consumer.client) == undisturbed_redis


@pytest.mark.also_on_kafka
def test_a_consumer_that_reads_everything_again_changes_nothing(
    consumer: ConsumerRunner,
    undisturbed_redis: dict[str, object],
) -> None:
    consumer.prepare()
    offsets = consumer.offsets()
    consumer.publish(until(14))
    part = consumer.start()
    wait_until(lambda: consumer.hours_closed() == 14, "14 hours are closed")
    consumer.kill(part)
    assert consumer.offsets() != offsets
    consumer.client.hset(keys.OFFSETS, mapping=offsets)
    consumer.publish(after(14))
    consumer.run()

    assert contents(consumer.client) == undisturbed_redis
    # 14 hours of rides and the 15 forecasts that were in Redis, of each zone, the alerts, and the
    # ends of the hours and of the opening.
    duplicates = (14 + 15) * ZONE_COUNT + len(alerts_of(range(14))) + 15 * PARTITIONS
    assert consumer.client.hgetall(keys.DUPLICATES) == {"events:0": str(duplicates)}


def test_a_finished_run_is_not_read_again(
    consumer: ConsumerRunner, undisturbed_redis: dict[str, object]
) -> None:
    consumer.prepare()
    consumer.publish(until(HOURS))
    consumer.run()
    consumer.run()

    assert contents(consumer.client) == undisturbed_redis


def test_a_run_is_watched_to_its_end(consumer: ConsumerRunner, rushhour: Rushhour) -> None:
    consumer.prepare()
    consumer.publish(until(24))
    part = consumer.start()
    watching = rushhour.start("watch", "--redis", consumer.settings.redis)
    wait_until(watching.err.read_text, "the first day is closed")
    assert watching.process.poll() is None
    consumer.publish(after(24))
    consumer.end(part)
    watched = watching.end()

    assert watched.code == 0
    first, *_, last = watched.stderr.splitlines()
    assert "24/30 hours closed" in first
    assert "hours closed 30 of 30" in watched.words
    assert last == "finished: all 30 hours are closed and scored"
