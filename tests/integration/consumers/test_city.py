"""Hours closed for the city, by one consumer or by several that share the zones."""

import random
from typing import Any

import numpy as np
import pytest
import redis

from consumers import city_writer
from consumers.assignment import partitions_of
from consumers.city_writer import CityWriter
from consumers.pending import HourUpdate
from consumers.resume import resume
from consumers.writer import ZoneWriter, read_closed
from rushhour.core import keys
from rushhour.core.arrays import Floats, ZoneMask
from rushhour.core.errors import RedisFailure, StackError
from rushhour.core.forecast import Forecast
from rushhour.core.models import LAST_HOUR, SERVED
from rushhour.core.run import RunInfo
from rushhour.core.topics import HOURLY_RIDES, ZONE_TOPICS, partition_of
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.runtime.fence import StaleState
from rushhour.runtime.redis_client import connect, read_hash
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.storage.hour_tables import HourTables
from rushhour.storage.runs import save_run
from tests.fixtures.redis_server import contents, fence_of

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


def rides(index: int) -> Floats:
    return ((ZONES * 7 + index * 3) % 11).astype(np.float64)


def alerted(index: int) -> list[int]:
    """The zones with an alert in an hour: of all partitions, but none in the third hour."""
    return [] if index == 2 else [zone for zone in ZONE_IDS if (zone + index) % 50 == 0]


def forecast(index: int, zones: ZoneMask) -> Forecast:
    """The forecast for an hour: NaN where a zone is another consumer's."""
    served = np.where(zones, np.round((ZONES * 5 + index) % 9 + 0.1234 * index, 4), np.nan)
    return Forecast(
        START + index * HOUR,
        {SERVED: served, LAST_HOUR: served + 1, NO_MODEL: np.full(ZONE_COUNT, np.nan)},
        mean=np.round(served * 1.25 + 0.125, 4),
        lower=served - 1,
        upper=served + 2,
    )


def update(index: int, zones: ZoneMask) -> HourUpdate:
    """An hour is closed and the hour after it is forecast; the opening forecast if it is -1."""
    closed = None
    if index >= 0:
        closed = HourTables(
            np.where(zones, rides(index), np.nan),
            forecast(index, zones),
            np.where(zones & np.isin(ZONES, alerted(index)), 0.5 - ZONES / 200, np.nan),
        )
    return HourUpdate(zones, forecast(index + 1, zones), closed)


def city_of(client: redis.Redis, partitions: int = PARTITIONS) -> CityWriter:
    """The city as a consumer of all partitions resumes it."""
    mine = partitions_of(0, 1, partitions)
    return CityWriter(
        client, fence_of(client, "consumer-9"), RUN, resume(client, RUN, mine, partitions).city
    )


def alerts(client: redis.Redis) -> list[str]:
    """The ids of all alerts in the stream."""
    entries: Any = client.xrange(keys.ALERTS)
    return [entry_id for entry_id, _ in entries]


def ids_of(*indexes: int) -> list[str]:
    return [f"{START + index * HOUR}-{zone}" for index in indexes for zone in alerted(index)]


class InProcess:
    """A consumer of some partitions in this process, one step at a time: an hour is two steps."""

    def __init__(self, client: redis.Redis, process: int, consumers: int) -> None:
        self._client = client
        self._mine = partitions_of(process, consumers, PARTITIONS)
        self._zones = np.any(list(self._mine.values()), axis=0)
        fence = fence_of(client, f"consumer-{process}")
        state = resume(client, RUN, self._mine, PARTITIONS)
        self._writer = ZoneWriter(client, fence, state.written, process)
        self._scores = state.scores
        self.city = CityWriter(client, fence, RUN, state.city)
        self._updates = [update(-1, self._zones)]
        self.hour = 0
        self.closed: dict[int, int] | None = None

    def resume_at(self, hour: int) -> None:
        """Go on with an hour, as after a restart."""
        self.hour = hour
        if hour:
            self._updates = []
        self.city.close(read_closed(self._client))

    def step(self) -> None:
        """Write an hour's zones; or close for the city what can be closed by then."""
        if self.closed is not None:
            self.city.close(self.closed)
            self.closed = None
            return
        self._updates.append(update(self.hour, self._zones))
        self.hour += 1
        next_hours = dict.fromkeys(self._mine, START + self.hour * HOUR)
        self._scores.update_all(self._updates)
        self.closed = self._writer.write(
            self._updates, self._scores, {(HOURLY_RIDES, min(self._mine)): 1}, next_hours
        )
        self.city.note(self._updates)
        self._updates = []


def prepare(client: redis.Redis) -> None:
    """Empty Redis, but for the offsets that a run needs."""
    client.flushall()
    fields = [keys.offset_field(topic, p) for topic in ZONE_TOPICS for p in range(PARTITIONS)]
    client.hset(keys.OFFSETS, mapping=dict.fromkeys(fields, 0))
    save_run(client, RUN)


@pytest.fixture
def client(client: redis.Redis) -> redis.Redis:
    prepare(client)
    return client


@pytest.fixture(scope="module")
def four_hours(redis_server: EmbeddedRedis) -> dict[str, object]:
    """What Redis holds after four hours of a single consumer."""
    client = connect(redis_server.url)
    prepare(client)
    alone = InProcess(client, 0, 1)
    for _ in range(HOURS * 2):
        alone.step()
    assert alerts(client) == ids_of(0, 1, 3)
    return contents(client)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_consumer_writes_nothing_once_another_has_taken_over(
    client: redis.Redis, four_hours: dict[str, object], steps: int
) -> None:
    """It may wake up before its transaction for the zones, or before that for the city."""
    late = InProcess(client, 0, 1)
    for _ in range(steps):
        late.step()
    successor = InProcess(client, 0, 1)
    successor.resume_at(1 if steps else 0)
    while successor.hour < HOURS or successor.closed:
        successor.step()
    offsets, closed = client.hgetall(keys.OFFSETS), read_closed(client)
    with pytest.raises(StackError, match="another consumer-0 has taken over"):
        late.step()
    assert contents(client) == four_hours
    assert (client.hgetall(keys.OFFSETS), read_closed(client)) == (offsets, closed)


def test_the_order_in_which_consumers_close_hours_does_not_matter(
    client: redis.Redis, four_hours: dict[str, object]
) -> None:
    for seed in range(12):
        prepare(client)
        chance = random.Random(seed)
        consumers = [InProcess(client, process, 3) for process in range(3)]
        steps = [process for process in range(3) for _ in range(HOURS * 2)]
        chance.shuffle(steps)
        for process in steps:
            consumers[process].step()
        assert contents(client) == four_hours, seed


def test_a_delayed_write_does_not_undo_later_hours(
    client: redis.Redis,
    four_hours: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = city_of(client)
    others = InProcess(client, 0, 1)
    others.step()
    hour_0 = others.closed
    assert hour_0 is not None
    queue = city_writer._queue

    def held_up(*args: Any) -> None:
        """All four hours are closed after the check of what is written, before the write."""
        monkeypatch.undo()
        while others.hour < HOURS or others.closed:
            others.step()
        queue(*args)

    monkeypatch.setattr(city_writer, "_queue", held_up)
    late.close(hour_0)

    assert contents(client) == four_hours


@pytest.mark.parametrize("last", [0, 1])
def test_the_later_of_two_consumers_writes_the_alerts_of_both(
    client: redis.Redis, four_hours: dict[str, object], last: int
) -> None:
    consumers = [InProcess(client, process, 2) for process in (0, 1)]
    early, late = consumers[1 - last], consumers[last]
    sides = {zone: partition_of(zone, PARTITIONS) % 2 for zone in ZONE_IDS}
    assert {sides[zone] for zone in alerted(0)} == {0, 1}

    for _ in range(2):
        early.step()
    # Its alerts are in Redis, but not in the stream yet, which is in order of zones.
    own = {str(zone) for zone in alerted(0) if sides[zone] == 1 - last}
    assert read_hash(client, "alerts:2024-10-02T23").keys() == own
    assert alerts(client) == []
    late.step()
    assert alerts(client) == []
    late.step()
    assert alerts(client) == ids_of(0)

    # One runs ahead by all hours that are left; each hour's alerts still come once, in order.
    for _ in range((HOURS - 1) * 2):
        early.step()
    assert alerts(client) == ids_of(0)
    for _ in range((HOURS - 1) * 2):
        late.step()
    assert alerts(client) == ids_of(0, 1, 3)
    assert contents(client) == four_hours


def test_a_resumed_city_knows_the_number_of_alerts(
    client: redis.Redis, four_hours: dict[str, object]
) -> None:
    consumer = InProcess(client, 0, 1)
    for _ in range(HOURS):
        consumer.step()
        if consumer.closed is None:
            consumer.city = city_of(client)
    assert read_hash(client, keys.QUALITY)["alerts"] == str(len(ids_of(0, 1)))
    for _ in range(HOURS):
        consumer.city = city_of(client)  # what it noted is lost, too
        consumer.step()
    city_of(client).close(read_closed(client))

    assert contents(client) == four_hours
    assert read_hash(client, keys.QUALITY)["alerts"] == str(len(ids_of(0, 1, 3)))


@pytest.mark.parametrize(
    "lost", ["rides:2024-10-02T23", "predictions:2024-10-03T00", "medians:2024-10-03T00"]
)
def test_figures_that_redis_has_lost_are_not_closed_for_the_city(
    client: redis.Redis, lost: str
) -> None:
    """As when Redis goes back in time between the writes for the zones and for the city."""
    consumers = [InProcess(client, process, 2) for process in range(2)]
    for consumer in consumers:
        consumer.step()
    client.delete(lost)
    with pytest.raises(StaleState, match=r"Redis lacks figures of 2024-10-0"):
        consumers[1].step()
    assert not client.exists(keys.CITY_HOURLY, keys.CITY)


FOREIGN = {
    keys.CITY_HOURLY: ["*", f"{START + 30 * HOUR}-0", f"{START + HOUR}-1", f"{START + 5}-0"],
    keys.ALERTS: ["*", f"{START + HOUR}-7"],
}


@pytest.mark.parametrize(
    ("stream", "entry_id"), [(stream, each) for stream, ids in FOREIGN.items() for each in ids]
)
@pytest.mark.parametrize("at", ["the start", "a later hour"])
def test_a_foreign_entry_of_a_stream_stops_the_consumer_until_it_is_deleted(
    client: redis.Redis, four_hours: dict[str, object], stream: str, entry_id: str, at: str
) -> None:
    consumer = InProcess(client, 0, 1)
    for _ in range(2):
        consumer.step()
    added = str(client.xadd(stream, {"x": 1}, id=entry_id))
    with pytest.raises(RedisFailure) as caught:
        if at == "the start":
            consumer.city.start()
        else:
            consumer.step()
            consumer.step()
    assert f"XDEL {stream} {added}" in str(caught.value)
    assert caught.value.exit_code == 5

    client.xdel(stream, added)
    if at == "a later hour":
        with pytest.raises(RedisFailure, match="was deleted: restart the consumer"):
            city_of(client).close(read_closed(client))
    city = city_of(client)
    city.start()
    city.close(read_closed(client))
    again = InProcess(client, 0, 1)
    again.resume_at(2 if at == "a later hour" else 1)
    while again.hour < HOURS or again.closed:
        again.step()
    assert contents(client) == four_hours


def test_a_stream_that_lacks_an_hour_stops_the_consumer(client: redis.Redis) -> None:
    consumer = InProcess(client, 0, 1)
    for _ in range(4):
        consumer.step()
    client.xdel(keys.CITY_HOURLY, f"{START}-0")
    with pytest.raises(RedisFailure, match="has 1 entries for 2 hours"):
        city_of(client).start()


@pytest.mark.parametrize("read_after", [keys.CLOSED, keys.QUALITY])
def test_a_city_that_resumes_while_an_hour_is_closed_misses_none(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, read_after: str
) -> None:
    """The other one closes an hour between two reads of this one."""
    other = InProcess(client, 0, 1)
    for _ in range(2):
        other.step()
    hgetall = client.hgetall
    reads: list[str] = []

    def slow(key: str) -> Any:
        found = hgetall(key)
        reads.append(key)
        if key == read_after:
            other.step()
            other.step()
        return found

    monkeypatch.setattr(client, "hgetall", slow)
    city = city_of(client)
    monkeypatch.undo()
    for _ in range(4):
        other.step()
    expected = contents(client)
    for stream in (keys.CITY_HOURLY, keys.ALERTS):  # so that this one writes
        entries: Any = client.xrange(stream, min=city._city.due(read_closed(client)).start)
        client.xdel(stream, *(entry_id for entry_id, _ in entries))
    city.start()
    city.close(read_closed(client))
    assert read_after in reads
    written = contents(client)
    for key in (keys.CITY, keys.QUALITY, keys.COVERAGE, *map(keys.model, RUN.models)):
        assert written[key] == expected[key]
