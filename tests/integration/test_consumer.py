"""The consumer on its own: events delivered twice, out of step, or while it is killed."""

import os
import re
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import redis

from consumers.assignment import partitions_of
from consumers.reader import EventsReader
from consumers.resume import resume
from consumers.writer import ZoneWriter, read_closed
from rushhour.core import keys
from rushhour.core.events import (
    Alert,
    AlertEvent,
    Codec,
    HourlyRides,
    Prediction,
    Tick,
    alert_codec,
    prediction_codec,
    rides_codec,
)
from rushhour.core.hours import hour_label, to_datetime
from rushhour.core.models import LAST_HOUR, SAME_HOUR_LAST_WEEK, SAME_HOUR_YESTERDAY, SERVED
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS, partition_of, zone_key
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.runtime.kafka import BatchProducer, end_offsets
from rushhour.runtime.redis_client import connect
from rushhour.scoring.bands import BANDS, band_of
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.simulator.stack.setup import prepare
from rushhour.storage.runs import load_run, save_run
from tests.fixtures.command import Rushhour
from tests.fixtures.redis_server import contents
from tests.fixtures.settings import SettingsFactory
from tests.fixtures.waiting import wait_until

START = 1_727_910_000_000  # 2024-10-02 23:00
HOUR = 3_600_000
HOURS = 30  # more than a day, so that the window of 24 h has to forget
PARTITIONS = 4
MODELS = (SERVED, "learner", LAST_HOUR, SAME_HOUR_YESTERDAY, SAME_HOUR_LAST_WEEK)
Event = HourlyRides | Prediction | AlertEvent


def run_of(consumers: int = 1) -> RunInfo:
    end = START + HOURS * HOUR
    return RunInfo(
        "id",
        "green",
        "2024-10",
        "a.parquet",
        "/a.parquet",
        START,
        end,
        consumers=consumers,
        models=MODELS,
    )


def rides(index: int) -> list[HourlyRides]:
    hour = START + index * HOUR
    return [HourlyRides.of(zone, hour, (zone * 7 + index * 3) % 11) for zone in ZONE_IDS]


def predictions(index: int) -> list[Prediction]:
    hour = START + index * HOUR

    def others(zone: int) -> dict[str, float | None]:
        # The first has a past from the second hour on, the next from the third, and so on.
        return {
            name: float((zone + index) % 4) if index > position else None
            for position, name in enumerate(MODELS[1:])
        }

    def prediction(zone: int) -> Prediction:
        served = round((zone * 5 + index) % 9 + 0.1234 * index, 4)
        return Prediction(
            zone,
            to_datetime(hour),
            hour,
            served,
            float(int(served * 0.5)),
            float(int(served) + 3),
            SERVED,
            others(zone),
        )

    return [prediction(zone) for zone in ZONE_IDS]


def change_of(index: int, zone: int) -> float | None:
    """The alert of an hour: in four or five zones, of all partitions; none in every third hour."""
    if index % 3 == 2 or (zone + index) % 60:
        return None
    return round((0.2 + zone / 7) * (-1 if index % 2 else 1), 4)


def alerts(index: int) -> list[AlertEvent]:
    """The alerts of an hour, and the tick after them."""
    hour = START + index * HOUR
    changes = {zone: change_of(index, zone) for zone in ZONE_IDS}
    found = [Alert.of(zone, hour, change) for zone, change in changes.items() if change is not None]
    return [*found, Tick(hour + HOUR)]


def block(index: int) -> list[Event]:
    """Return what closes an hour."""
    return [*rides(index), *predictions(index + 1), *alerts(index)]


def between(first: int, end: int) -> list[Event]:
    """Return what closes the hours [`first`, `end`), in the order in which it is sent."""
    return [event for index in range(first, end) for event in block(index)]


def after(hour: int) -> list[Event]:
    """Return the events from an hour to the end of the run."""
    return between(hour, HOURS)


def until(hour: int) -> list[Event]:
    """Return the events before an hour's rides."""
    return [*predictions(0), Tick(START), *between(0, hour)]


def _topic_of(event: Event) -> tuple[str, Codec[Any]]:
    if isinstance(event, HourlyRides):
        return HOURLY_RIDES, rides_codec()
    return (
        (PREDICTIONS, prediction_codec())
        if isinstance(event, Prediction)
        else (ALERTS, alert_codec())
    )


@dataclass
class Consumer:
    """The consumer between a broker and a Redis: one process, or several that share the work."""

    settings: Settings
    client: redis.Redis
    _parts: list[ChildProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bootstrap = self.settings.kafka or ""
        self.producer = BatchProducer(self.bootstrap)

    def prepare(self, consumers: int = 1) -> None:
        """Begin a run behind all that earlier tests left on the topics."""
        prepare(self.client, self.bootstrap, PARTITIONS, run_of(consumers), create=False)

    def publish(self, events: Iterable[Event]) -> None:
        batches: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for event in events:
            topic, codec = _topic_of(event)
            value = codec.encode(event)
            if isinstance(event, Tick):
                for partition in range(PARTITIONS):
                    batches.setdefault((topic, partition), []).append({"value": value})
                continue
            zone = event.pickup_location_id
            place = topic, partition_of(zone, PARTITIONS)
            batches.setdefault(place, []).append({"key": zone_key(zone), "value": value})
        for (topic, partition), batch in batches.items():
            self.producer.send(topic, partition, batch)
        self.producer.flush()

    def start(self, process: int = 0) -> ChildProcess:
        log = self.settings.state_dir / f"consumer-{len(self._parts)}.log"
        settings = self.settings.model_copy(update={"process": process})
        part = ChildProcess.python("consumer", "consumers", log, settings.as_environment())
        self._parts.append(part)
        return part

    def run(self, consumers: int = 1) -> None:
        """Run to the end of the run."""
        self.end(*(self.start(process) for process in range(consumers)))

    def end(self, *parts: ChildProcess) -> None:
        """Wait until processes are done."""
        for part in parts:
            ended = part.wait(15.0)
            part.check()
            assert ended, "the consumer did not end"

    def kill(self, *parts: ChildProcess) -> None:
        for part in parts:
            os.kill(part.pid, signal.SIGKILL)
            assert part.wait(10.0)

    def hours_closed(self) -> int:
        return int(str(self.client.hget(keys.QUALITY, "hours_closed") or 0))

    def closed(self) -> dict[int, int]:
        """Return how many hours of each partition are closed."""
        found = read_closed(self.client)
        return {partition: (last - START) // HOUR + 1 for partition, last in found.items()}

    def offsets(self) -> dict[Any, Any]:
        return self.client.hgetall(keys.OFFSETS)

    def close(self) -> None:
        for part in self._parts:
            part.stop()


@pytest.fixture(scope="module")
def undisturbed(
    module_broker: str,
    redis_server: EmbeddedRedis,
    settings: SettingsFactory,
) -> dict[str, object]:
    """What Redis holds after events that came once, in order, to a consumer left alone."""
    client = connect(redis_server.url)
    client.flushall()
    consumer = Consumer(settings(kafka=module_broker, redis=redis_server.url), client)
    consumer.prepare()
    consumer.publish(until(HOURS))
    consumer.run()
    assert consumer.hours_closed() == HOURS
    return contents(client)


@pytest.fixture
def consumer(
    undisturbed: dict[str, object],
    module_broker: str,
    redis_server: EmbeddedRedis,
    client: redis.Redis,
    settings: SettingsFactory,
) -> Iterator[Consumer]:
    """The consumer of one test, on an empty Redis."""
    consumer = Consumer(settings(kafka=module_broker, redis=redis_server.url), client)
    yield consumer
    consumer.close()


@pytest.mark.also_on_kafka
def test_the_events_of_a_run_are_all_in_redis(undisturbed: dict[str, object]) -> None:
    for index in range(HOURS + 1):
        label = hour_label(START + index * HOUR)
        events = predictions(index)
        for key, values in {
            f"predictions:{label}": [event.predicted_demand for event in events],
            f"lower:{label}": [event.lower for event in events],
            f"upper:{label}": [event.upper for event in events],
        }.items():
            by_zone = zip(ZONE_IDS, values, strict=True)
            assert undisturbed[key] == {str(zone): str(value) for zone, value in by_zone}
        for position, name in enumerate(MODELS[1:]):
            expected = {
                str(event.pickup_location_id): str(event.other_models[name]) for event in events
            }
            key = f"predictions:{name}:{label}"
            assert undisturbed.get(key) == (expected if index > position else None)


def test_alerts_are_kept_with_the_hour_that_raised_them(undisturbed: dict[str, object]) -> None:
    found = {key: value for key, value in undisturbed.items() if key.startswith("alerts:")}
    expected = {
        f"alerts:{hour_label(START + index * HOUR)}": {
            str(zone): str(change_of(index, zone)) for zone in ZONE_IDS if change_of(index, zone)
        }
        for index in range(HOURS)
    }
    assert found == {key: hash_ for key, hash_ in expected.items() if hash_}
    assert len(found) == HOURS * 2 // 3


def alerts_of(hours: Iterable[int]) -> list[tuple[str, dict[str, str]]]:
    """The entries of the stream, as the events have them."""
    return [
        (
            f"{START + index * HOUR}-{zone}",
            {
                "zone": str(zone),
                "hour": hour_label(START + index * HOUR),
                "direction": "above" if change > 0 else "below",
                "relative_change": str(change),
            },
        )
        for index in hours
        for zone in ZONE_IDS
        if (change := change_of(index, zone)) is not None
    ]


def test_every_alert_of_a_closed_hour_is_in_the_stream(undisturbed: dict[str, object]) -> None:
    found = alerts_of(range(HOURS))
    assert undisturbed["alerts"] == found
    assert {fields["direction"] for _, fields in found} == {"above", "below"}
    assert {partition_of(int(fields["zone"]), PARTITIONS) for _, fields in found} == {0, 1, 2, 3}
    quality = undisturbed["quality"]
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
    undisturbed: dict[str, object],
) -> None:
    day, all_hours = range(HOURS - 24, HOURS), range(HOURS)
    model, last_hour = undisturbed[f"model:{SERVED}"], undisturbed["city"]
    assert isinstance(model, dict)
    assert isinstance(last_hour, dict)
    assert model["coverage_24h"] == share(covered(day)) != "1.0"
    assert model["coverage_168h"] == share(covered(all_hours)) != model["coverage_24h"]
    assert last_hour["coverage"] == share(covered([HOURS - 1]))
    for zone in (1, 132, 265):
        found = undisturbed[f"zone:{zone}"]
        assert isinstance(found, dict)
        assert found["coverage_24h"] == share(covered(day, zone))
        assert found["coverage_168h"] == share(covered(all_hours, zone))
    bands = {band: share(covered(all_hours, band=band)) for band in BANDS}
    assert undisturbed["coverage"] == bands
    assert bands["1-5"] not in ("1.0", bands["5-20"])
    assert bands["20-100"] == "n/a"
    hourly = undisturbed["city:hourly"]
    assert isinstance(hourly, list)
    found_hourly = [fields["coverage"] for _, fields in hourly]
    assert found_hourly == [share(covered([index])) for index in all_hours]


def test_only_the_served_model_has_a_coverage(undisturbed: dict[str, object]) -> None:
    for name in MODELS[1:]:
        found = undisturbed[f"model:{name}"]
        assert isinstance(found, dict)
        assert not [field for field in found if "coverage" in field]


def test_a_zone_has_the_interval_of_its_latest_hour_and_of_its_next(
    undisturbed: dict[str, object],
) -> None:
    for latest, following in zip(predictions(HOURS - 1), predictions(HOURS), strict=True):
        found = undisturbed[f"zone:{latest.pickup_location_id}"]
        assert isinstance(found, dict)
        assert {name: found[name] for name in ("prediction", "lower", "upper")} == {
            "prediction": str(latest.predicted_demand),
            "lower": str(latest.lower),
            "upper": str(latest.upper),
        }
        assert {name: value for name, value in found.items() if name.startswith("next_")} == {
            "next_hour": hour_label(START + HOURS * HOUR),
            "next_prediction": str(following.predicted_demand),
            "next_lower": str(following.lower),
            "next_upper": str(following.upper),
        }


@pytest.mark.also_on_kafka
def test_events_delivered_twice_count_once(
    consumer: Consumer, undisturbed: dict[str, object]
) -> None:
    consumer.prepare()
    for index in range(HOURS):
        events = block(index)
        consumer.publish([*(until(0) if index == 0 else []), *events, *events])
    consumer.publish(until(HOURS))
    consumer.run()

    assert contents(consumer.client) == undisturbed


@pytest.mark.parametrize("order", list(permutations((HOURLY_RIDES, PREDICTIONS, ALERTS))))
def test_it_does_not_matter_which_topic_comes_first(
    consumer: Consumer, undisturbed: dict[str, object], order: tuple[str, ...]
) -> None:
    consumer.prepare()
    for topic in order:
        consumer.publish(event for event in until(HOURS) if _topic_of(event)[0] == topic)
    consumer.run()

    assert contents(consumer.client) == undisturbed


@pytest.mark.parametrize("at", [0, 26])
@pytest.mark.also_on_kafka
def test_a_consumer_killed_between_hours_resumes(
    consumer: Consumer,
    undisturbed: dict[str, object],
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


def test_a_consumer_killed_while_a_forecast_waits_for_its_hour_resumes(
    consumer: Consumer,
    undisturbed: dict[str, object],
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

    assert contents(consumer.client) == undisturbed


@pytest.mark.also_on_kafka
def test_a_consumer_that_reads_everything_again_changes_nothing(
    consumer: Consumer,
    undisturbed: dict[str, object],
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
    # 14 hours of rides and the 15 forecasts that were in Redis, of each zone, and the alerts.
    duplicates = (14 + 15) * ZONE_COUNT + len(alerts_of(range(14)))
    assert consumer.client.hgetall(keys.DUPLICATES) == {"events:0": str(duplicates)}


def test_a_finished_run_is_not_read_again(
    consumer: Consumer, undisturbed: dict[str, object]
) -> None:
    consumer.prepare()
    consumer.publish(until(HOURS))
    consumer.run()
    consumer.run()

    assert contents(consumer.client) == undisturbed


def test_a_run_is_watched_to_its_end(consumer: Consumer, rushhour: Rushhour) -> None:
    consumer.prepare()
    consumer.publish(until(24))
    part = consumer.start()
    watching = rushhour.start("watch", "--redis", consumer.settings.redis)
    wait_until(watching.out.read_text, "the first day is closed")
    assert watching.process.poll() is None
    consumer.publish(after(24))
    consumer.end(part)
    watched = watching.end()

    assert (watched.code, watched.stderr) == (0, "")
    lines = watched.stdout.splitlines()
    assert "24/30 hours closed" in lines[0]
    assert "hours closed 30 of 30" in watched.words
    assert lines[-1] == "finished: all 30 hours are closed and scored"


# Consumers that share the partitions. With two, the first has 0 and 2, the second 1 and 3.


@pytest.mark.parametrize("consumers", [2, 5])
def test_consumers_that_share_the_partitions_leave_the_same_redis(
    consumer: Consumer, undisturbed: dict[str, object], consumers: int
) -> None:
    consumer.prepare(consumers)
    consumer.publish(until(HOURS))
    consumer.run(consumers)

    assert contents(consumer.client) == undisturbed
    assert consumer.closed() == dict.fromkeys(range(PARTITIONS), HOURS)


def test_a_consumer_without_a_partition_ends(consumer: Consumer) -> None:
    consumer.prepare(5)
    part = consumer.start(4)
    consumer.end(part)

    assert part.last_message() == "process 4 (of 5) has no partition"


@pytest.mark.also_on_kafka
def test_one_of_two_consumers_is_killed_and_resumes(
    consumer: Consumer,
    undisturbed: dict[str, object],
) -> None:
    consumer.prepare(2)
    first, second = consumer.start(0), consumer.start(1)
    consumer.publish(until(14))
    wait_until(lambda: consumer.hours_closed() == 14, "14 hours are closed")
    consumer.kill(second)
    consumer.publish(after(14))
    consumer.end(first)
    # Its partitions are done; the city waits for the others.
    assert consumer.closed() == {0: HOURS, 1: 14, 2: HOURS, 3: 14}
    assert consumer.hours_closed() == 14
    consumer.end(consumer.start(1))

    assert contents(consumer.client) == undisturbed


@pytest.mark.parametrize(("before", "afterwards"), [(1, 3), (4, 2)])
def test_the_number_of_consumers_may_change(
    consumer: Consumer,
    undisturbed: dict[str, object],
    before: int,
    afterwards: int,
) -> None:
    consumer.prepare(before)
    parts = [consumer.start(process) for process in range(before)]
    consumer.publish(until(14))
    wait_until(lambda: consumer.hours_closed() == 14, "14 hours are closed")
    consumer.kill(*parts)
    save_run(consumer.client, run_of(afterwards))
    consumer.publish(after(14))
    consumer.run(afterwards)

    assert contents(consumer.client) == undisturbed


@pytest.mark.parametrize("consumers", [1, 3])
def test_a_consumer_may_resume_partitions_at_different_hours(
    consumer: Consumer,
    undisturbed: dict[str, object],
    consumers: int,
) -> None:
    consumer.prepare(2)
    first, second = consumer.start(0), consumer.start(1)
    consumer.publish(until(3))
    wait_until(lambda: consumer.hours_closed() == 3, "3 hours are closed")
    consumer.kill(second)
    consumer.publish(between(3, 28))
    wait_until(lambda: consumer.closed() == {0: 28, 1: 3, 2: 28, 3: 3}, "two partitions are ahead")
    consumer.kill(first)
    save_run(consumer.client, run_of(consumers))
    consumer.publish(after(28))
    consumer.run(consumers)

    assert contents(consumer.client) == undisturbed


def write_zones_only(consumer: Consumer, process: int, consumers: int) -> None:
    """Do all that a consumer does until the moment before it closes the last hour for the city."""
    run = load_run(consumer.client)
    partitions = partitions_of(process, consumers, PARTITIONS)
    state = resume(consumer.client, run, partitions, PARTITIONS)
    assigned, writer = state.assigned, ZoneWriter(consumer.client, process)
    writer.write_zones()
    reader = EventsReader(consumer.bootstrap, state.offsets)
    while min(assigned.next_hours().values()) < run.end_ts:
        reader.read_into(assigned)
        if updates := assigned.pop_complete():
            state.scores.update_all(updates)
            writer.write(updates, state.scores, assigned.offsets(), assigned.next_hours())
    reader.close(assigned)


@pytest.mark.parametrize("at", [0, 14])
def test_hours_left_open_for_the_city_are_closed_at_the_next_start(
    consumer: Consumer,
    undisturbed: dict[str, object],
    at: int,
) -> None:
    consumer.prepare()
    consumer.publish(until(at))
    part = consumer.start()
    wait_until(lambda: consumer.hours_closed() == at, f"{at} hours are closed")
    consumer.kill(part)
    consumer.publish(after(at))
    write_zones_only(consumer, process=0, consumers=1)
    assert consumer.closed() == dict.fromkeys(range(PARTITIONS), HOURS)
    assert consumer.hours_closed() == at
    consumer.run()

    assert contents(consumer.client) == undisturbed


@pytest.mark.parametrize("last", [0, 1])
def test_either_consumer_closes_what_both_left_open_for_the_city(
    consumer: Consumer, undisturbed: dict[str, object], last: int
) -> None:
    """Both died after their zones' last hour; even the one that was done before can do it."""
    consumer.prepare(2)
    consumer.publish(until(HOURS))
    for process in (0, 1):
        write_zones_only(consumer, process, consumers=2)
    assert consumer.hours_closed() == 0
    consumer.end(consumer.start(last))

    assert contents(consumer.client) == undisturbed


def test_start_days_and_end_are_logged(consumer: Consumer) -> None:
    consumer.prepare()
    consumer.publish(until(HOURS))
    part = consumer.start()
    consumer.end(part)

    start, *days, end = part.log.read_text().splitlines()
    assert start == (
        "consumer: start: green 2024-10, a.parquet; run id, process 0 (of 1), "
        "partitions 0, 1, 2, 3, from 2024-10-02 23:00"
    )
    assert re.fullmatch(
        r"consumer: \d+ of 30 hours closed, up to 2024-10-0\d \d\d:00, 0 duplicate events dropped",
        days[0],
    )
    assert end == "consumer: end: 30 hours closed, 0 duplicate events dropped"


@pytest.mark.parametrize("topic", [HOURLY_RIDES, PREDICTIONS, ALERTS])
def test_an_invalid_event_stops_the_consumer_and_its_position_is_named(
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
    start, *_, error = part.log.read_text().splitlines()
    assert start.startswith("consumer: start: ")
    assert error.startswith(f"consumer: topic '{topic}' partition 2 offset {offset}: ")


@pytest.mark.also_on_kafka
def test_a_gap_in_the_events_stops_the_consumer(consumer: Consumer) -> None:
    consumer.prepare()
    consumer.client.hset(keys.OFFSETS, keys.offset_field(HOURLY_RIDES, 1), 10**6)
    part = consumer.start()

    assert part.wait(30.0)
    assert part.exit_code == 4
    assert f"topic '{HOURLY_RIDES}' partition 1" in part.last_message()


def test_a_redis_without_a_run_stops_the_consumer(consumer: Consumer) -> None:
    part = consumer.start()

    assert part.wait(30.0)
    assert part.exit_code == 5
    assert part.last_message().startswith("this Redis holds no run")
