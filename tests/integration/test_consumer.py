"""The consumer on its own: events delivered twice, out of step, or while it is killed."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import redis

from consumers.city import City
from consumers.pending import ClosedHour, Forecast, Unit
from consumers.scores import RollingErrors
from consumers.writer import ZoneWriter
from core import keys
from core.events import Codec, HourlyRides, Prediction, prediction_codec, rides_codec
from core.hours import hour_label, to_datetime
from core.kafka import BatchProducer, end_offsets
from core.models import BASELINES, SERVED
from core.redis_client import connect
from core.run import RunInfo
from core.settings import Settings
from core.topics import HOURLY_RIDES, PREDICTIONS, partition_of, zone_key
from core.zones import ZONE_COUNT, ZONE_IDS
from simulator.parts import Part
from simulator.prepare import prepare
from simulator.redis_server import EmbeddedRedis

if TYPE_CHECKING:
    from tests.conftest import SettingsFactory, WaitUntil

pytestmark = pytest.mark.integration

START = 1_727_910_000_000  # 2024-10-02 23:00
HOUR = 3_600_000
HOURS = 30  # more than a day, so that the window of 24 h has to forget
PARTITIONS = 4
Event = HourlyRides | Prediction
Contents = Callable[[redis.Redis], dict[str, object]]


def run_of(consumers: int = 1) -> RunInfo:
    end = START + HOURS * HOUR
    return RunInfo(
        "id", "green", "2024-10", "a.parquet", "/a.parquet", START, end, consumers=consumers
    )


def rides(index: int) -> list[Event]:
    hour = START + index * HOUR
    return [HourlyRides.of(zone, hour, (zone * 7 + index * 3) % 11) for zone in ZONE_IDS]


def predictions(index: int) -> list[Event]:
    hour = START + index * HOUR

    def baselines(zone: int) -> dict[str, float | None]:
        # The first has a past from the second hour on, the next from the third, and so on.
        return {
            name: float((zone + index) % 4) if index > position else None
            for position, name in enumerate(BASELINES)
        }

    return [
        Prediction(
            zone,
            to_datetime(hour),
            hour,
            round((zone * 5 + index) % 9 + 0.1234 * index, 4),
            SERVED,
            baselines(zone),
        )
        for zone in ZONE_IDS
    ]


def after(hour: int) -> list[Event]:
    """Return the events from an hour to the end of the run."""
    return [event for i in range(hour, HOURS) for event in rides(i) + predictions(i + 1)]


def until(hour: int) -> list[Event]:
    """Return the events before an hour's rides, in the order in which the dataflow sends them."""
    closed = [event for i in range(hour) for event in rides(i) + predictions(i + 1)]
    return predictions(0) + closed


@dataclass
class Consumer:
    """The consumer process between a broker and a Redis."""

    settings: Settings
    client: redis.Redis
    _parts: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bootstrap = self.settings.kafka or ""
        self.producer = BatchProducer(self.bootstrap)

    def prepare(self) -> None:
        """Begin a run behind all that earlier tests left on the topics."""
        prepare(self.client, self.bootstrap, PARTITIONS, run_of(), create=False)

    def publish(self, events: Iterable[Event]) -> None:
        rides_as_json: Codec[HourlyRides] = rides_codec()
        predictions_as_json: Codec[Prediction] = prediction_codec()
        batches: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for event in events:
            zone = event.pickup_location_id
            if isinstance(event, HourlyRides):
                topic, value = HOURLY_RIDES, rides_as_json.encode(event)
            else:
                topic, value = PREDICTIONS, predictions_as_json.encode(event)
            place = topic, partition_of(zone, PARTITIONS)
            batches.setdefault(place, []).append({"key": zone_key(zone), "value": value})
        for (topic, partition), batch in batches.items():
            self.producer.send(topic, partition, batch)
        self.producer.flush()

    def start(self) -> Part:
        log = self.settings.state_dir / f"consumer-{len(self._parts)}.log"
        part = Part.python("consumer", "consumers", log, self.settings.as_environment())
        self._parts.append(part)
        return part

    def run(self) -> None:
        """Run to the end of the run."""
        part = self.start()
        ended = part.wait(15.0)
        part.check()
        assert ended, "the consumer did not end"

    def kill(self, part: Part) -> None:
        os.kill(part.pid, signal.SIGKILL)
        assert part.wait(10.0)

    def hours_closed(self) -> int:
        return int(str(self.client.hget(keys.QUALITY, "hours_closed") or 0))

    def offsets(self) -> dict[Any, Any]:
        return self.client.hgetall(keys.OFFSETS)

    def close(self) -> None:
        for part in self._parts:
            part.stop()


@pytest.fixture(scope="module")
def undisturbed(
    module_broker: str,
    redis_server: EmbeddedRedis,
    settings: "SettingsFactory",
    contents: Contents,
) -> dict[str, object]:
    """What Redis holds after events that came once, in order, to a consumer left alone."""
    client = connect(redis_server.url)
    client.flushall()
    consumer = Consumer(settings(kafka=module_broker, redis=redis_server.url), client)
    consumer.prepare()
    consumer.publish(predictions(0) + after(0))
    consumer.run()
    assert consumer.hours_closed() == HOURS
    return contents(client)


@pytest.fixture
def consumer(
    undisturbed: dict[str, object],
    module_broker: str,
    redis_server: EmbeddedRedis,
    client: redis.Redis,
    settings: "SettingsFactory",
) -> Iterator[Consumer]:
    """The consumer of one test, on an empty Redis."""
    consumer = Consumer(settings(kafka=module_broker, redis=redis_server.url), client)
    yield consumer
    consumer.close()


def test_events_delivered_twice_count_once(
    consumer: Consumer, undisturbed: dict[str, object], contents: Contents
) -> None:
    consumer.prepare()
    for index in range(HOURS):
        block = rides(index) + predictions(index + 1)
        consumer.publish((predictions(0) if index == 0 else []) + block + block)
    consumer.publish(until(HOURS))
    consumer.run()

    assert contents(consumer.client) == undisturbed


@pytest.mark.parametrize("rides_first", [True, False])
def test_it_does_not_matter_which_topic_comes_first(
    consumer: Consumer, undisturbed: dict[str, object], contents: Contents, rides_first: bool
) -> None:
    all_rides = [event for index in range(HOURS) for event in rides(index)]
    all_predictions = [event for index in range(HOURS + 1) for event in predictions(index)]
    consumer.prepare()
    for topic in (all_rides, all_predictions) if rides_first else (all_predictions, all_rides):
        consumer.publish(topic)
    consumer.run()

    assert contents(consumer.client) == undisturbed


@pytest.mark.parametrize("at", [0, 26])
def test_a_consumer_killed_between_hours_goes_on_where_it_was(
    consumer: Consumer,
    undisturbed: dict[str, object],
    contents: Contents,
    wait_until: "WaitUntil",
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

    assert contents(consumer.client) == undisturbed


def test_a_consumer_killed_while_a_forecast_waits_for_its_hour_goes_on_where_it_was(
    consumer: Consumer,
    undisturbed: dict[str, object],
    contents: Contents,
    wait_until: "WaitUntil",
) -> None:
    """The forecast for hour 4 has come, the rides of hour 3 have not: topics may be so."""
    consumer.prepare()
    consumer.publish(until(3) + predictions(4))
    part = consumer.start()
    wait_until(lambda: consumer.hours_closed() == 3, "3 hours are closed")
    consumer.kill(part)
    # Not in Redis before its hour is: a restart would not know of it.
    assert not consumer.client.exists(keys.predictions(hour_label(START + 4 * HOUR)))
    consumer.publish(rides(3) + after(4))
    consumer.run()

    assert contents(consumer.client) == undisturbed


def test_a_consumer_that_reads_everything_again_changes_nothing(
    consumer: Consumer,
    undisturbed: dict[str, object],
    contents: Contents,
    wait_until: "WaitUntil",
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

    assert contents(consumer.client) == undisturbed
    # 14 hours of rides and the 15 forecasts that were in Redis, of each zone.
    repeats = str((14 + 15) * ZONE_COUNT)
    assert consumer.client.hgetall(keys.DROPPED) == {"repeated_events:0": repeats}


def test_a_finished_run_is_not_read_again(
    consumer: Consumer, undisturbed: dict[str, object], contents: Contents
) -> None:
    consumer.prepare()
    consumer.publish(until(HOURS))
    consumer.run()
    consumer.run()

    assert contents(consumer.client) == undisturbed


def test_an_hour_written_twice_leaves_the_same_redis(
    client: redis.Redis, contents: Contents
) -> None:
    """As two consumers at once would: the second one must not add to what the first wrote."""
    served = np.arange(265, dtype=np.float64) + 0.5
    hour = ClosedHour(START, np.arange(265), Forecast(START, {SERVED: served}))
    units: list[Unit] = [hour.forecast, hour]
    cities = [City.restore(client, run_of(), partitions=1) for _ in range(2)]
    found = []
    for city in cities:
        closed = ZoneWriter(client, RollingErrors()).write(
            units, {(HOURLY_RIDES, 0): 1}, {0: START + HOUR}
        )
        city.note(units)
        city.close(closed)
        found.append(contents(client))

    assert "city" in found[0]
    assert found[1] == found[0]


@pytest.mark.parametrize("topic", [HOURLY_RIDES, PREDICTIONS])
def test_an_event_that_does_not_fit_its_topic_stops_the_consumer_and_its_place_is_named(
    consumer: Consumer, topic: str
) -> None:
    consumer.prepare()
    consumer.publish(until(1))
    offset = end_offsets(consumer.bootstrap, [topic])[topic][2]
    consumer.producer.send(topic, 2, [{"value": b'{"pickup_location_id":132}'}])
    consumer.producer.flush()
    part = consumer.start()

    assert part.wait(30.0)
    assert part.exit_code == 4
    lines = part.log.read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"consumer: topic '{topic}' partition 2 offset {offset}: ")


def test_a_gap_in_the_events_stops_the_consumer(consumer: Consumer) -> None:
    consumer.prepare()
    consumer.client.hset(keys.OFFSETS, keys.offset_field(HOURLY_RIDES, 1), 10**6)
    part = consumer.start()

    assert part.wait(30.0)
    assert part.exit_code == 4
    assert f"consumer: topic '{HOURLY_RIDES}' partition 1" in part.last_words()


def test_a_redis_without_a_run_stops_the_consumer(consumer: Consumer) -> None:
    part = consumer.start()

    assert part.wait(30.0)
    assert part.exit_code == 5
    assert part.last_words().startswith("consumer: this Redis holds no run")
