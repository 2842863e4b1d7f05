"""One consumer step by step, on a real Redis and without a broker."""

from typing import Any

import numpy as np
import pytest
import redis
from redis.client import Pipeline

from consumers.consumer import Consumer
from rushhour.core import keys
from rushhour.core.events import HourEnd, HourlyRides, Prediction
from rushhour.core.forecast import Forecast
from rushhour.core.hour_checksums import checksums, hour_hashes
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.models import SERVED
from rushhour.core.run import RunInfo
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS, ZONE_TOPICS
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.storage.clock import last_hour_closed
from rushhour.storage.columns import all_zones
from rushhour.storage.runs import save_run
from tests.fixtures.redis_server import fence_of

pytestmark = pytest.mark.integration

START = 1_727_910_000_000  # 2024-10-02 23:00
HOURS = 3
RUN = RunInfo("id", "green", "2024-10", "a", "/a", START, START + HOURS * HOUR_MS, models=(SERVED,))


def resumed(client: redis.Redis) -> Consumer:
    consumer = Consumer(client, fence_of(client), RUN, 0)
    consumer.start()
    return consumer


@pytest.fixture
def consumer(client: redis.Redis) -> Consumer:
    """A consumer of one partition, at the beginning of a run, to whom the opening has come."""
    save_run(client, RUN)
    client.hset(keys.OFFSETS, mapping={keys.offset_field(topic, 0): 0 for topic in ZONE_TOPICS})
    consumer = resumed(client)
    add_predictions(consumer, 0)
    add_end(consumer, 0)
    consumer.step()
    return consumer


def offsets_of(index: int) -> range:
    """The offsets of an hour's events."""
    return range(index * ZONE_COUNT, (index + 1) * ZONE_COUNT)


def add_predictions(consumer: Consumer, index: int) -> None:
    hour = START + index * HOUR_MS
    events = [
        Prediction(zone, to_datetime(hour), hour, zone + 0.5, zone + 0.25, 0.0, 500.0, SERVED, {})
        for zone in ZONE_IDS
    ]
    consumer.assigned.add_predictions(0, offsets_of(index), events)


def add_end(consumer: Consumer, index: int) -> None:
    """The end of the hour before."""
    zones = np.array(ZONE_IDS, np.float64)
    end_ts = START + index * HOUR_MS
    forecast = Forecast(end_ts, {SERVED: zones + 0.25}, zones + 0.5, zones * 0, zones * 0 + 500)
    hashes = hour_hashes(zones if index else None, forecast, np.full(ZONE_COUNT, np.nan))
    end = HourEnd(0, end_ts, *checksums(hashes, all_zones()))
    consumer.assigned.add_alerts(0, [index], [end])


def add_hour(consumer: Consumer, index: int) -> None:
    """Everything that closes an hour."""
    hour = START + index * HOUR_MS
    events = [HourlyRides.of(zone, hour, zone) for zone in ZONE_IDS]
    consumer.assigned.add_rides(0, offsets_of(index), events)
    add_predictions(consumer, index + 1)
    add_end(consumer, index + 1)


def offsets_after(hours: int) -> dict[str, str]:
    """The offsets of Redis once the opening and some hours are written."""
    read = {
        HOURLY_RIDES: hours * ZONE_COUNT,
        PREDICTIONS: (hours + 1) * ZONE_COUNT,
        ALERTS: hours + 1,
    }
    return {keys.offset_field(topic, 0): str(offset) for topic, offset in read.items()}


def test_a_consumer_is_done_with_the_last_hour_and_not_before(
    consumer: Consumer, client: redis.Redis
) -> None:
    for index in range(HOURS):
        assert not consumer.is_done()
        add_hour(consumer, index)
        assert not consumer.is_done()
        consumer.step()
        assert last_hour_closed(client) == START + index * HOUR_MS
    assert consumer.is_done()
    assert resumed(client).is_done()


def test_predictions_are_written_to_the_last_digit(client: redis.Redis, consumer: Consumer) -> None:
    found = client.hgetall(keys.predictions("2024-10-02T23"))
    assert found == {str(zone): str(zone + 0.5) for zone in ZONE_IDS}
    medians = client.hgetall(keys.medians("2024-10-02T23"))
    assert medians == {str(zone): str(zone + 0.25) for zone in ZONE_IDS}


def test_a_transaction_that_fails_leaves_tables_and_offsets_as_they_were(
    consumer: Consumer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_hour(consumer, 0)

    def lost(*_: Any, **__: Any) -> Any:
        raise redis.ConnectionError("lost before EXEC")

    monkeypatch.setattr(Pipeline, "execute", lost)
    with pytest.raises(redis.ConnectionError):
        consumer.step()
    monkeypatch.undo()

    assert client.hgetall(keys.OFFSETS) == offsets_after(hours=0)
    assert not client.exists(keys.rides("2024-10-02T23"), keys.CLOSED)
    again = resumed(client)
    add_hour(again, 0)
    again.step()
    assert client.hgetall(keys.OFFSETS) == offsets_after(hours=1)
    assert last_hour_closed(client) == START


def test_a_consumer_that_ends_right_after_the_transaction_has_stored_its_offsets(
    consumer: Consumer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_hour(consumer, 0)
    execute = Pipeline.execute

    def ended(self: Pipeline, *args: Any, **kwargs: Any) -> Any:
        execute(self, *args, **kwargs)
        raise redis.ConnectionError("lost after EXEC")

    monkeypatch.setattr(Pipeline, "execute", ended)
    with pytest.raises(redis.ConnectionError):
        consumer.step()
    monkeypatch.undo()

    assert client.hgetall(keys.OFFSETS) == offsets_after(hours=1)
    assert client.hlen(keys.rides("2024-10-02T23")) == ZONE_COUNT
    assert last_hour_closed(client) is None
    resumed(client)  # closes for the city what was left open
    assert last_hour_closed(client) == START
