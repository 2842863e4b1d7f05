"""Hours closed for the city, by one consumer or by several that share the zones."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import redis

from consumers.assignment import partitions_of
from consumers.city import City
from consumers.pending import ClosedHour, Forecast, HourUpdate
from consumers.rolling import Rolling
from consumers.writer import ZoneWriter, as_closed
from rushhour.core import keys
from rushhour.core.models import LAST_HOUR, SERVED
from rushhour.core.run import RunInfo
from rushhour.core.topics import HOURLY_RIDES, partition_of
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.runtime.redis_client import connect, read_hash
from rushhour.simulator.stack.redis_server import EmbeddedRedis

pytestmark = pytest.mark.integration

START = 1_727_910_000_000  # 2024-10-02 23:00
HOUR = 3_600_000
HOURS = 4
PARTITIONS = 4
NO_MODEL = "no_model"  # it never predicts anything
RUN = RunInfo(
    "id",
    "green",
    "2024-10",
    "a.parquet",
    "/a.parquet",
    START,
    START + 30 * HOUR,
    models=(SERVED, LAST_HOUR, NO_MODEL),
)
ZONES = np.array(ZONE_IDS)
Contents = Callable[[redis.Redis], dict[str, object]]


def rides(index: int) -> npt.NDArray[np.int64]:
    return (ZONES * 7 + index * 3) % 11


def drifting(index: int) -> list[int]:
    """The zones whose errors drift in an hour: of all partitions, but in the third hour none."""
    return [] if index in (-1, 2) else [zone for zone in ZONE_IDS if (zone + index) % 50 == 0]


def forecast(index: int, zones: npt.NDArray[np.bool_]) -> Forecast:
    """What is expected of an hour. NaN, as in life, where a zone is somebody else's."""
    served = np.where(zones, np.round((ZONES * 5 + index) % 9 + 0.1234 * index, 4), np.nan)
    drift = np.where(zones & np.isin(ZONES, drifting(index - 1)), 0.5 - ZONES / 200, np.nan)
    return Forecast(
        START + index * HOUR,
        {SERVED: served, LAST_HOUR: served + 1, NO_MODEL: np.full(ZONE_COUNT, np.nan)},
        lower=served - 1,
        upper=served + 2,
        drift=drift,
        zones=zones,
    )


def alerts(client: redis.Redis) -> list[str]:
    """The ids of all alerts there are."""
    entries: Any = client.xrange(keys.ALERTS)
    return [entry_id for entry_id, _ in entries]


def ids_of(*indexes: int) -> list[str]:
    return [f"{START + index * HOUR}-{zone}" for index in indexes for zone in drifting(index)]


class InProcess:
    """A consumer of some partitions in this process, one step at a time: an hour is two steps."""

    def __init__(self, client: redis.Redis, process: int, consumers: int) -> None:
        self._client = client
        self._mine = partitions_of(process, consumers, PARTITIONS)
        self._zones = np.any(list(self._mine.values()), axis=0)
        self._writer = ZoneWriter(client, Rolling(), process)
        self.city = City.restore(client, RUN, PARTITIONS)
        self._units: list[HourUpdate] = [forecast(0, self._zones)]
        self.hour = 0
        self.closed: dict[int, int] | None = None

    def step(self) -> None:
        """Write an hour's zones; or close for the city what can be closed by then."""
        if self.closed is not None:
            self.city.close(self.closed)
            self.closed = None
            return
        of_hour = forecast(self.hour, self._zones)
        self._units += [
            forecast(self.hour + 1, self._zones),
            ClosedHour(of_hour.hour_ts, np.where(self._zones, rides(self.hour), 0), of_hour),
        ]
        self.hour += 1
        next_hours = dict.fromkeys(self._mine, START + self.hour * HOUR)
        self.closed = self._writer.write(self._units, {(HOURLY_RIDES, 0): 1}, next_hours)
        self.city.note(self._units)
        self._units = []


@pytest.fixture(scope="module")
def four_hours(redis_server: EmbeddedRedis, contents: Contents) -> dict[str, object]:
    """What Redis holds after four hours of a single consumer."""
    client = connect(redis_server.url)
    client.flushall()
    alone = InProcess(client, 0, 1)
    for _ in range(HOURS * 2):
        alone.step()
    assert alerts(client) == ids_of(0, 1, 3)
    return contents(client)


def test_an_hour_written_twice_leaves_the_same_redis(
    client: redis.Redis, contents: Contents
) -> None:
    """As two consumers at once would: the second one must not add to what the first wrote."""
    everywhere = np.ones(ZONE_COUNT, np.bool_)
    of_hour = forecast(0, everywhere)
    units: list[HourUpdate] = [
        of_hour,
        forecast(1, everywhere),
        ClosedHour(START, rides(0), of_hour),
    ]
    cities = [City.restore(client, RUN, partitions=1) for _ in range(2)]
    found = []
    for city in cities:
        closed = ZoneWriter(client, Rolling()).write(
            units, {(HOURLY_RIDES, 0): 1}, {0: START + HOUR}
        )
        city.note(units)
        city.close(closed)
        found.append(contents(client))

    assert {"city", "alerts"} <= found[0].keys()
    assert found[1] == found[0]


def test_in_whatever_order_consumers_close_hours_for_the_city_it_is_the_same(
    client: redis.Redis, contents: Contents, four_hours: dict[str, object]
) -> None:
    for seed in range(12):
        client.flushall()
        chance = random.Random(seed)
        consumers = [InProcess(client, process, 3) for process in range(3)]
        steps = [process for process in range(3) for _ in range(HOURS * 2)]
        chance.shuffle(steps)
        for process in steps:
            consumers[process].step()
        assert contents(client) == four_hours, seed


def test_a_consumer_held_up_while_it_closes_an_hour_does_not_undo_what_others_closed_since(
    client: redis.Redis,
    contents: Contents,
    four_hours: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = City.restore(client, RUN, PARTITIONS)
    others = InProcess(client, 0, 1)
    others.step()
    hour_0 = others.closed
    assert hour_0 is not None
    queue = late._queue

    def held_up(*args: Any) -> None:
        """All four hours are closed after the look at what is written, before the write."""
        while others.hour < HOURS or others.closed:
            others.step()
        queue(*args)

    monkeypatch.setattr(late, "_queue", held_up)
    late.close(hour_0)

    assert contents(client) == four_hours


@pytest.mark.parametrize("last", [0, 1])
def test_of_two_consumers_the_later_one_closes_the_hour_with_the_alerts_of_both(
    client: redis.Redis, contents: Contents, four_hours: dict[str, object], last: int
) -> None:
    consumers = [InProcess(client, process, 2) for process in (0, 1)]
    early, late = consumers[1 - last], consumers[last]
    sides = {zone: partition_of(zone, PARTITIONS) % 2 for zone in ZONE_IDS}
    assert {sides[zone] for zone in drifting(0)} == {0, 1}

    for _ in range(2):
        early.step()
    # Its alerts are in Redis, but no news yet: the other zones' have to be told in order.
    own = {str(zone) for zone in drifting(0) if sides[zone] == 1 - last}
    assert read_hash(client, "alerts:2024-10-02T23").keys() == own
    assert alerts(client) == []
    late.step()
    assert alerts(client) == []
    late.step()
    assert alerts(client) == ids_of(0)

    # One runs ahead by all hours that are left; each hour is still told once, and in order.
    for _ in range((HOURS - 1) * 2):
        early.step()
    assert alerts(client) == ids_of(0)
    for _ in range((HOURS - 1) * 2):
        late.step()
    assert alerts(client) == ids_of(0, 1, 3)
    assert contents(client) == four_hours


def test_a_city_that_starts_again_knows_how_many_alerts_there_were(
    client: redis.Redis, contents: Contents, four_hours: dict[str, object]
) -> None:
    consumer = InProcess(client, 0, 1)
    for _ in range(HOURS):
        consumer.step()
        if consumer.closed is None:
            consumer.city = City.restore(client, RUN, PARTITIONS)
    assert read_hash(client, keys.QUALITY)["alerts"] == str(len(ids_of(0, 1)))
    for _ in range(HOURS):
        consumer.city = City.restore(client, RUN, PARTITIONS)  # what it noted is lost, too
        consumer.step()
    City.restore(client, RUN, PARTITIONS).close(as_closed(read_hash(client, keys.CLOSED)))

    assert contents(client) == four_hours
    assert read_hash(client, keys.QUALITY)["alerts"] == str(len(ids_of(0, 1, 3)))


def test_a_city_that_starts_while_another_closes_an_hour_misses_none(
    client: redis.Redis, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one closes an hour between any two looks that this one takes at Redis."""
    other = InProcess(client, 0, 1)
    for _ in range(2):
        other.step()
    hgetall = client.hgetall
    looks = 0

    def slow(key: str) -> Any:
        nonlocal looks
        found = hgetall(key)
        looks += 1
        if looks == 1:
            for _ in range(2):
                other.step()
        return found

    monkeypatch.setattr(client, "hgetall", slow)
    city = City.restore(client, RUN, PARTITIONS)
    monkeypatch.undo()
    for _ in range(4):
        other.step()
    expected = contents(client)
    client.delete(keys.CITY)  # so that what this one would write is written
    city.close(as_closed(read_hash(client, keys.CLOSED)))
    assert looks
    assert contents(client) == expected
