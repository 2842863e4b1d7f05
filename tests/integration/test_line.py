"""The line from a trip file to Redis: what it computes, and that nothing can change it.

Small trip files with known trips go through the real processes, the real Kafka protocol and a
real Redis. What Redis holds is compared with a count of the same trips by hand, and with what
other runs over the same file left there.
"""

import json
import math
import os
import pickle
import random
import signal
import socket
import sqlite3
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from dataflows.forecasting.engine import ForecastEngine
from dataflows.forecasting.forecasters import learners, model_names
from rushhour.core import keys
from rushhour.core.clock import Command
from rushhour.core.events import direction_of
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS, hour_label
from rushhour.core.models import SERVED
from rushhour.core.topics import HOURLY_RIDES, PREDICTIONS, TRIPS
from rushhour.core.zones import ZONE_IDS, zones
from rushhour.runtime.kafka import end_offsets
from rushhour.runtime.lease import live_processes
from rushhour.runtime.redis_client import connect, read_hash
from rushhour.simulator.commands.controls import give
from rushhour.simulator.runs import describe_run
from rushhour.simulator.stack import processes as line_module
from rushhour.simulator.stack import stack as stack_module
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.simulator.stack.ports import HOST, free_ports
from rushhour.simulator.stack.processes import ProcessSpec, process_specs
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.simulator.stack.stack import Stack, open_stack
from rushhour.storage.runs import load_run

if TYPE_CHECKING:
    from tests.conftest import SettingsFactory, TripRow, TripWriter, WaitUntil

pytestmark = pytest.mark.integration

LAST_WEEK = "same_hour_last_week"
LAGS = {"last_hour": 1, "same_hour_yesterday": 24, LAST_WEEK: 168}
LEARNED = (SERVED, *(learner.name for learner in learners()))
MODELS = (*LEARNED, *LAGS)
HALF_DIGIT = 0.5e-4 + 1e-9  # figures are rounded to four decimals
# Zones of all four partitions, the first and the last ids, and the two that are no place.
BUSY = (1, 4, 43, 75, 132, 161, 236, 237, 263, 264, 265)
Contents = Callable[[redis.Redis], dict[str, object]]
NextKafka = Callable[[], str | None]
Hash = dict[str, str]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ran:
    """What a run left behind."""

    keys: dict[str, object]
    types: dict[str, str]
    clock: Hash
    run: Hash
    trips_sent: int  # messages on `trips`, ticks included

    def hash(self, key: str) -> Hash:
        found = self.keys[key]
        assert isinstance(found, dict)
        return found


Disturb = Callable[[Stack], None]


class Runner:
    """Runs the line over a file, and reads what it left in Redis."""

    def __init__(
        self,
        settings: "SettingsFactory",
        server: EmbeddedRedis,
        contents: Contents,
        wait: "WaitUntil",
        next_kafka: NextKafka,
    ) -> None:
        self._settings = settings
        self._next_kafka = next_kafka
        self._server = server
        self._contents = contents
        self._wait = wait

    def __call__(
        self, file: Path, span: tuple[str, str], disturb: Disturb | None = None, **flags: Any
    ) -> Ran:
        client = connect(self._server.url)
        client.flushall()
        settings = self._settings(
            kafka=self._next_kafka(),
            redis=self._server.url,
            dataset="green",
            data=file,
            from_hour=span[0],
            until_hour=span[1],
            **({"speed": "max"} | flags),
        )
        run = describe_run(settings, file)
        with open_stack(settings, settings.state_dir) as stack:
            stack.start_pipeline(run)
            if disturb is not None:
                disturb(stack)
            self._wait(stack.is_done, "the line is done", 40.0)
            sent = sent_to(stack, TRIPS)
        return Ran(
            keys=self._contents(client),
            types={str(key): str(client.type(key)) for key in client.scan_iter(count=1_000)},
            clock=dict(client.hgetall(keys.CLOCK)),  # type: ignore[arg-type]
            run=dict(client.hgetall(keys.RUN)),  # type: ignore[arg-type]
            trips_sent=sent,
        )


@pytest.fixture(scope="module")
def line(
    settings: "SettingsFactory",
    redis_server: EmbeddedRedis,
    contents: Contents,
    wait_until: "WaitUntil",
    next_kafka: NextKafka,
) -> Runner:
    return Runner(settings, redis_server, contents, wait_until, next_kafka)


def trips_of(days: int, count: int) -> list["TripRow"]:
    """Return made-up trips from 2024-10-01 on, with a rhythm of days, in no order."""
    draw = random.Random(20241001)
    start = datetime(2024, 10, 1)  # noqa: DTZ001 - TLC times have no zone
    rows: list[TripRow] = []
    while len(rows) < count:
        second = draw.randrange(days * 86_400)
        hour = second // 3_600 % 24
        if draw.random() < 0.55 - 0.45 * math.cos(hour / 12 * math.pi):
            zone = draw.choice(BUSY[: 3 + hour // 3])
            rows.append((str(start + timedelta(seconds=second)), zone))
    return rows


# What a line must set aside, and pickups on the edges of hours and of the replayed span.
ODD_ROWS: list["TripRow"] = [
    (None, 132),
    (None, None),
    (None, 999),
    ("2024-09-30 23:59:59.999999", 132),
    ("2024-11-01 00:00:00", 132),
    ("2008-12-31 23:00:00", 132),
    ("2024-10-05 12:00:00", None),
    ("2024-10-05 12:00:00", None),
    ("2024-10-05 12:00:00", 0),
    ("2024-10-05 12:00:00", 266),
    ("2024-10-05 12:00:00", -1),
    ("2024-10-05 12:00:00", 300),
]
EDGE_ROWS: list["TripRow"] = [
    ("2024-10-01 05:59:59.999999", 236),  # the last instant before the span of `brute`
    ("2024-10-01 06:00:00", 236),
    ("2024-10-01 06:59:59.999999", 236),
    ("2024-10-09 05:59:59.999999", 237),
    ("2024-10-09 06:00:00", 237),  # the first instant after it
    ("2024-10-31 23:59:59.999999", 237),
]


# One run over eight days, compared with a count by hand.


@dataclass(frozen=True)
class Brute:
    """The same trips counted one by one, and the models replayed over the counts."""

    start: int
    rides: npt.NDArray[np.int64]  # hours x zones
    by_model: dict[str, list[Floats]]
    forecasts: list[Forecast]
    changes: list[Floats]  # relative changes of the alerts of each hour

    @classmethod
    def of(cls, rows: list["TripRow"], first: str, hours: int) -> "Brute":
        begin, hour = datetime.fromisoformat(first), timedelta(hours=1)
        counted = Counter(
            ((datetime.fromisoformat(time) - begin) // hour, zone)
            for time, zone in rows
            if time is not None
        )
        start = (begin - datetime(1970, 1, 1)) // timedelta(milliseconds=1)  # noqa: DTZ001
        rides = np.array([[counted[i, zone] for zone in ZONE_IDS] for i in range(hours)])
        engine = ForecastEngine()
        forecasts, changes = [engine.predict_one(start)], []
        for i in range(hours):
            changes.append(engine.learn_one(start + i * 3_600_000, rides[i]))
            forecasts.append(engine.predict_one(start + (i + 1) * 3_600_000))
        nothing = np.full(len(ZONE_IDS), np.nan)
        by_model = {name: [forecast.by_model[name] for forecast in forecasts] for name in LEARNED}
        by_model |= {
            name: [nothing] * lag + [row.astype(np.float64) for row in rides[: hours + 1 - lag]]
            for name, lag in LAGS.items()
        }
        return cls(start, rides, by_model, forecasts, changes)

    @property
    def hours(self) -> int:
        return len(self.rides)

    def label(self, hour: int) -> str:
        return hour_label(self.start + hour * 3_600_000)

    def errors(self, model: str, window: int) -> Floats:
        """Return the errors of the last hours: hours x zones, NaN where it had no prediction."""
        first = max(0, self.hours - window)
        predicted = np.array(self.by_model[model][first : self.hours])
        return predicted - self.rides[first:]

    def covered(self, first: int, zone: int | None = None) -> float:
        """Return the share of rides within their intervals, from an hour on; of a zone, or all."""
        held = [
            bool(forecast.lower[column] <= rides[column] <= forecast.upper[column])
            for forecast, rides in zip(self.forecasts[first:], self.rides[first:], strict=False)
            for column in (range(len(ZONE_IDS)) if zone is None else [zone - 1])
        ]
        return sum(held) / len(held)

    def drifting(self, hour: int) -> Hash:
        """Return the change of each zone whose errors drifted as seen when the hour was closed."""
        drift = self.changes[hour].tolist()
        return {
            str(zone): text(change)
            for zone, change in zip(ZONE_IDS, drift, strict=True)
            if not math.isnan(change)
        }

    def scores(self, model: str, window: int, zone: int | None) -> dict[str, float | None]:
        """Return the rolling scores of a zone or of the city, one error at a time."""
        own, reference = self.errors(model, window), self.errors(LAST_WEEK, window)
        pairs = [
            (float(own[hour, column]), float(reference[hour, column]))
            for hour in range(len(own))
            for column in (range(len(ZONE_IDS)) if zone is None else [zone - 1])
        ]
        errors = [error for error, _ in pairs if not math.isnan(error)]
        shared = [pair for pair in pairs if not any(map(math.isnan, pair))]
        base = math.fsum(abs(theirs) for _, theirs in shared)
        count = len(errors)
        return {
            "mae": math.fsum(map(abs, errors)) / count if count else None,
            "rmse": math.sqrt(math.fsum(e * e for e in errors) / count) if count else None,
            "bias": math.fsum(errors) / count if count else None,
            "skill": 1.0 - math.fsum(abs(ours) for ours, _ in shared) / base if base else None,
        }


def text(value: float) -> str:
    """Write a figure as Redis holds it."""
    return str(round(float(value), 4) + 0.0)


def by_zone(values: Floats) -> Hash:
    return {str(zone): text(value) for zone, value in zip(ZONE_IDS, values, strict=True)}


def assert_scores(found: Hash, window: int, expected: dict[str, float | None]) -> None:
    for name, value in expected.items():
        field = found[f"{name}_{window}h"]
        if value is None:
            assert field == "n/a", name
        else:
            assert float(field) == pytest.approx(value, abs=HALF_DIGIT), name
            assert field == text(float(field)), name


@pytest.fixture(scope="module")
def rows() -> list["TripRow"]:
    return trips_of(days=9, count=6_000) + EDGE_ROWS


@pytest.fixture(scope="module")
def brute(rows: list["TripRow"]) -> Brute:
    return Brute.of(rows, "2024-10-01 06:00:00", hours=192)


@pytest.fixture(scope="module")
def ran(
    line: Runner,
    rows: list["TripRow"],
    write_trips: "TripWriter",
    tmp_path_factory: pytest.TempPathFactory,
) -> Ran:
    shuffled = rows + ODD_ROWS
    random.Random(1).shuffle(shuffled)
    file = write_trips(tmp_path_factory.mktemp("trips") / "eight-days.parquet", shuffled)
    return line(file, ("2024-10-01 06:00", "2024-10-09 05:00"))


def test_rides_of_every_hour_and_zone_are_those_of_the_file(ran: Ran, brute: Brute) -> None:
    assert brute.rides.sum() > 4_000
    for hour in range(brute.hours):
        expected = {str(zone): str(n) for zone, n in zip(ZONE_IDS, brute.rides[hour], strict=True)}
        assert ran.hash(f"rides:{brute.label(hour)}") == expected


def test_predictions_of_every_hour_were_made_from_the_hours_before(ran: Ran, brute: Brute) -> None:
    for hour in range(brute.hours + 1):
        label = brute.label(hour)
        assert ran.hash(f"predictions:{label}") == by_zone(brute.by_model[SERVED][hour])
        assert ran.hash(f"lower:{label}") == by_zone(brute.forecasts[hour].lower)
        assert ran.hash(f"upper:{label}") == by_zone(brute.forecasts[hour].upper)
        for name in LEARNED[1:]:
            assert ran.hash(f"predictions:{name}:{label}") == by_zone(brute.by_model[name][hour])
        for name, lag in LAGS.items():
            key = f"predictions:{name}:{label}"
            if hour < lag:
                assert key not in ran.keys
            else:
                assert ran.hash(key) == by_zone(brute.by_model[name][hour])


def test_every_drift_is_an_alert(ran: Ran, brute: Brute) -> None:
    found = {key: value for key, value in ran.keys.items() if key.startswith("alerts:")}
    expected = {brute.label(hour): brute.drifting(hour) for hour in range(brute.hours)}
    assert found == {f"alerts:{label}": drift for label, drift in expected.items() if drift}
    assert found
    assert ran.keys["alerts"] == [
        (
            f"{brute.start + hour * 3_600_000}-{zone}",
            {
                "zone": zone,
                "hour": brute.label(hour),
                "what": direction_of(float(change)),
                "change": change,
            },
        )
        for hour in range(brute.hours)
        for zone, change in brute.drifting(hour).items()
    ]


def test_the_error_of_an_hour_is_predicted_minus_rides(ran: Ran, brute: Brute) -> None:
    for hour in range(brute.hours):
        error = brute.by_model[SERVED][hour] - brute.rides[hour]
        assert ran.hash(f"errors:{brute.label(hour)}") == by_zone(error)


def test_each_zone_has_its_latest_hour_its_next_and_its_rolling_errors(
    ran: Ran, brute: Brute
) -> None:
    last = brute.hours - 1
    for zone in zones():
        found = ran.hash(f"zone:{zone.id}")
        latest, following = brute.forecasts[last], brute.forecasts[last + 1]
        predicted = latest.served[zone.id - 1]
        rides = brute.rides[last][zone.id - 1]
        names = ("mae", "rmse", "bias", "skill", "coverage")
        scores = {f"{name}_{window}h" for name in names for window in (24, 168)}
        plain = {field: value for field, value in found.items() if field not in scores}
        assert plain == {
            "name": zone.name,
            "borough": zone.borough,
            "hour": brute.label(last),
            "rides": str(rides),
            "prediction": text(predicted),
            "lower": text(latest.lower[zone.id - 1]),
            "upper": text(latest.upper[zone.id - 1]),
            "error": text(predicted - rides),
            "next_hour": brute.label(last + 1),
            "next_prediction": text(following.served[zone.id - 1]),
            "next_lower": text(following.lower[zone.id - 1]),
            "next_upper": text(following.upper[zone.id - 1]),
        }
        for window in (24, 168):
            assert_scores(found, window, brute.scores(SERVED, window, zone.id))
            covered = brute.covered(brute.hours - window, zone.id)
            assert found[f"coverage_{window}h"] == text(covered)


def test_each_model_has_rolling_errors_over_the_city(ran: Ran, brute: Brute) -> None:
    for model in MODELS:
        found = ran.hash(f"model:{model}")
        assert found["hour"] == brute.label(brute.hours - 1)
        for window in (24, 168):
            assert_scores(found, window, brute.scores(model, window, None))
            covered = text(brute.covered(brute.hours - window))
            assert found.get(f"coverage_{window}h") == (covered if model == SERVED else None)
    assert float(ran.hash(f"model:{LAST_WEEK}")["skill_24h"]) == 0.0


def test_boards_rank_all_zones_by_demand_and_by_error(ran: Ran, brute: Brute) -> None:
    demand, mae = ran.keys["board:rides"], ran.keys["board:mae:24h"]
    assert isinstance(demand, list)
    assert isinstance(mae, list)
    latest = brute.rides[-1].tolist()
    assert {int(zone): score for zone, score in demand} == dict(zip(ZONE_IDS, latest, strict=True))
    assert {zone: score for zone, score in mae} == {
        str(zone): float(ran.hash(f"zone:{zone}")["mae_24h"]) for zone in ZONE_IDS
    }
    assert [score for _, score in mae] == sorted(score for _, score in mae)


def city_line(brute: Brute, hour: int) -> Hash:
    predicted, rides = brute.by_model[SERVED][hour], brute.rides[hour]
    return {
        "hour": brute.label(hour),
        "rides": str(rides.sum()),
        "prediction": text(math.fsum(predicted)),
        "error": text(math.fsum(predicted - rides)),
        "mae": text(math.fsum(abs(predicted - rides)) / len(ZONE_IDS)),
    }


def covered_in(brute: Brute, hour: int) -> str:
    forecast, rides = brute.forecasts[hour], brute.rides[hour]
    return text(float(((forecast.lower <= rides) & (rides <= forecast.upper)).mean()))


def test_the_city_has_one_line_an_hour_with_the_hour_as_its_id(ran: Ran, brute: Brute) -> None:
    entries = ran.keys["city:hourly"]
    assert isinstance(entries, list)
    ids = [entry_id for entry_id, _ in entries]
    assert ids == [f"{brute.start + hour * 3_600_000}-0" for hour in range(brute.hours)]
    for hour, (_, fields) in enumerate(entries):
        expected = city_line(brute, hour)
        assert fields["hour"] == expected["hour"]
        assert fields["rides"] == expected["rides"]
        assert fields["coverage"] == covered_in(brute, hour)
        for name in ("prediction", "error", "mae"):
            assert float(fields[name]) == pytest.approx(float(expected[name]), abs=1e-4 + 1e-9)
    latest = dict(entries[-1][1])
    total = math.fsum(brute.by_model[SERVED][brute.hours])
    city = dict(ran.hash("city"))
    assert float(city.pop("next_prediction")) == pytest.approx(total, abs=HALF_DIGIT)
    assert city == latest | {
        "rides_so_far": str(brute.rides.sum()),
        "next_hour": brute.label(brute.hours),
    }


def test_quality_counts_every_row_of_the_file_and_every_pair(
    ran: Ran, brute: Brute, rows: list["TripRow"]
) -> None:
    assert ran.hash("quality") == {
        "rows_read": str(len(rows) + len(ODD_ROWS)),
        "trips_usable": str(len(rows)),
        "rejected:null_time": "3",
        "rejected:outside_month": "3",
        "rejected:null_zone": "2",
        "rejected:unknown_zone": "4",
        "hours_closed": "192",
        "rides": str(brute.rides.sum()),
        "pairs_due": str(192 * 265),
        "pairs_scored": str(192 * 265),
        "overlap": "1.0",
        "alerts": str(sum(len(brute.drifting(hour)) for hour in range(192))),
    }


def test_the_clock_and_the_run_say_what_was_replayed(ran: Ran, brute: Brute) -> None:
    end = brute.start + brute.hours * 3_600_000
    assert ran.clock == {
        "now": "2024-10-09 06:00",
        "now_ts": str(end),
        "speed": "max",
        "state": "finished",
        "trips": str(brute.rides.sum()),
        "command": "0-0",
        "command_error": "",
        "speed_setting": "max",
        "last_hour_closed": "2024-10-09T05",
        "last_hour_closed_ts": str(end - 3_600_000),
    }
    assert ran.run["run_id"]
    assert ran.run["file"].endswith("/eight-days.parquet")
    rest = {name: value for name, value in ran.run.items() if name not in {"run_id", "file"}}
    assert rest == {
        "dataset": "green",
        "month": "2024-10",
        "source": "eight-days.parquet",
        "from": "2024-10-01T06",
        "until": "2024-10-09T05",
        "dataflows": "1",
        "consumers": "1",
        "surge": "",
        "models": ",".join(MODELS),
    }
    assert model_names() == MODELS


def test_redis_holds_these_keys_and_no_others_as_plain_structures(ran: Ran, brute: Brute) -> None:
    labels = [brute.label(hour) for hour in range(brute.hours)]
    of_this_run = {"sim:clock", "sim:run", "sim:offsets", "sim:closed"}
    hashes = of_this_run | {"city", "quality", "coverage"}
    hashes |= {f"zone:{zone}" for zone in ZONE_IDS} | {f"model:{name}" for name in MODELS}
    hashes |= {f"alerts:{brute.label(hour)}" for hour in range(192) if brute.drifting(hour)}
    hashes |= {f"rides:{label}" for label in labels} | {f"errors:{label}" for label in labels}
    next_too = [*labels, brute.label(brute.hours)]
    hashes |= {f"{kind}:{lb}" for kind in ("predictions", "lower", "upper") for lb in next_too}
    hashes |= {f"predictions:{name}:{lb}" for name in LEARNED[1:] for lb in next_too}
    hashes |= {f"predictions:{name}:{lb}" for name, lag in LAGS.items() for lb in next_too[lag:]}
    assert ran.types == dict.fromkeys(hashes, "hash") | {
        "board:rides": "zset",
        "board:mae:24h": "zset",
        "city:hourly": "stream",
        "alerts": "stream",
    }
    for key in hashes - of_this_run:
        assert not any(value.startswith(("{", "[", '"')) for value in ran.hash(key).values()), key


# Shorter runs over the same two days, disturbed in one way or another.

TWO_DAYS = ("2024-10-01", "2024-10-02")


@pytest.fixture(scope="module")
def short_file(
    rows: list["TripRow"], write_trips: "TripWriter", tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return write_trips(tmp_path_factory.mktemp("trips") / "short.parquet", rows + ODD_ROWS)


@pytest.fixture(scope="module")
def undisturbed(line: Runner, short_file: Path) -> Ran:
    ran = line(short_file, TWO_DAYS)
    assert ran.hash("quality")["hours_closed"] == "48"
    return ran


def assert_same(found: Ran, expected: Ran) -> None:
    """Compare key by key, so that a failure names the first key that differs."""
    assert found.keys.keys() == expected.keys.keys()
    for key, value in expected.keys.items():
        assert found.keys[key] == value, key


def test_the_speed_and_the_room_to_run_ahead_do_not_matter(
    line: Runner, short_file: Path, undisturbed: Ran
) -> None:
    assert_same(line(short_file, TWO_DAYS, speed="2d/s", ahead_hours=168), undisturbed)


def test_neither_workers_nor_the_order_of_rows_matter(
    line: Runner,
    rows: list["TripRow"],
    write_trips: "TripWriter",
    undisturbed: Ran,
    tmp_path: Path,
) -> None:
    backwards = write_trips(tmp_path / "backwards.parquet", [*reversed(rows), *ODD_ROWS])
    assert_same(line(backwards, TWO_DAYS, workers=2, ahead_hours=1), undisturbed)


def test_any_number_of_processes_may_share_the_work(
    line: Runner, short_file: Path, undisturbed: Ran
) -> None:
    found = line(short_file, TWO_DAYS, dataflows=3, consumers=2)

    assert (found.run["dataflows"], found.run["consumers"]) == ("3", "2")
    assert_same(found, undisturbed)


def hours_closed(stack: Stack) -> int:
    return int(str(stack.client.hget(keys.QUALITY, "hours_closed") or 0))


def sent_to(stack: Stack, topic: str) -> int:
    """How many messages a topic holds."""
    return sum(end_offsets(stack.bootstrap, [topic])[topic].values())


def kill(stack: Stack, name: str, wait: "WaitUntil", closed: int = 16) -> None:
    """Kill a part when so many of the 48 hours are closed."""

    def enough() -> bool:
        stack.is_done()
        return hours_closed(stack) >= closed

    wait(enough, f"{closed} hours are closed")
    os.kill(stack.parts[name].pid, signal.SIGKILL)
    wait(lambda: stack.parts[name].poll() == -signal.SIGKILL, f"the {name} is gone")
    assert hours_closed(stack) < 40


def start_again(stack: Stack, *names: str, **changes: object) -> None:
    """Start parts that are gone, with the settings of the line or changed ones."""
    servers = {"kafka": stack.bootstrap, "redis": stack.redis_url}
    settings = stack.settings.model_copy(update=servers | changes)
    for member in process_specs(settings, load_run(stack.client)):
        if member.name in names:
            again = replace(member, name=f"{member.name}-again")
            stack.parts[member.name] = start_process(again, stack.directory)


def test_a_consumer_that_is_killed_and_started_again_leaves_the_same_redis(
    line: Runner, short_file: Path, undisturbed: Ran, wait_until: "WaitUntil"
) -> None:
    def disturb(stack: Stack) -> None:
        kill(stack, "consumer", wait_until)
        start_again(stack, "consumer")

    assert_same(line(short_file, TWO_DAYS, disturb, speed="1d/s"), undisturbed)


# A dataflow with recovery, whose epochs are shorter than in real life so that no test waits long.

SHORT_EPOCHS = """
import runpy
from datetime import timedelta
import dataflows.recovery

dataflows.recovery.EPOCH = timedelta(seconds=0.3)
runpy.run_module("dataflows", run_name="__main__", alter_sys=True)
"""


def start_process(member: ProcessSpec, directory: Path) -> ChildProcess:
    """Start a process of a line; a dataflow with short epochs."""
    if member.module != "dataflows":
        return line_module.start_process(member, directory)
    command = [sys.executable, "-P", "-c", SHORT_EPOCHS]
    log = directory / f"{member.name}.log"
    return ChildProcess(member.name, command, log, member.settings.as_environment())


@pytest.fixture
def recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recovery directory of a line whose dataflow makes a snapshot several times a second."""
    monkeypatch.setattr(stack_module, "start_process", start_process)
    return tmp_path


def stored(recovery: Path, dataflows: int) -> dict[int, int]:
    """From which offset of each partition of `trips` a dataflow that starts now would go on."""
    offsets: dict[int, list[tuple[int, int]]] = {}
    frontiers: list[int] = []
    for store in recovery.glob("*/*-of-*/*.sqlite3"):
        with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as database:
            fronts = database.execute("SELECT worker_frontier FROM fronts")
            frontiers += [epoch for (epoch,) in fronts]
            for partition, epoch, state in database.execute(
                "SELECT state_key, snap_epoch, ser_change FROM snaps WHERE step_id = ?",
                ["rushhour.trips"],
            ):
                snapshot = epoch, pickle.loads(state).offset
                offsets.setdefault(int(partition), []).append(snapshot)
    done = min(frontiers) if len(frontiers) == dataflows else 0  # epochs before it are whole
    return {
        partition: max((offset for epoch, offset in found if epoch < done), default=0)
        for partition, found in offsets.items()
    }


@pytest.mark.parametrize("dataflows", [1, 2])
def test_a_dataflow_goes_on_from_its_last_snapshot(
    line: Runner,
    short_file: Path,
    undisturbed: Ran,
    wait_until: "WaitUntil",
    recovery: Path,
    dataflows: int,
) -> None:
    """Killed while the clock is paused and a snapshot has all: no hour is sent a second time."""
    names = ["dataflow"] if dataflows == 1 else [f"dataflow-{i}" for i in range(dataflows)]

    def disturb(stack: Stack) -> None:
        wait_until(lambda: hours_closed(stack) >= 12, "12 hours are closed")
        clock = give(stack.client, Command("pause"))
        sent = (clock.now_ts - load_run(stack.client).start_ts) // HOUR_MS
        wait_until(lambda: hours_closed(stack) == sent, "all that was sent is closed")
        ends = end_offsets(stack.bootstrap, [TRIPS])[TRIPS]
        wait_until(lambda: stored(recovery, dataflows) == ends, "there is a snapshot of it")
        for name in names:
            os.kill(stack.parts[name].pid, signal.SIGKILL)
        for name in names:
            assert stack.parts[name].wait(10.0)
        start_again(stack, *names)
        give(stack.client, Command("resume"))
        wait_until(stack.is_done, "the line is done")
        events.update({topic: sent_to(stack, topic) for topic in (HOURLY_RIDES, PREDICTIONS)})

    events: dict[str, int] = {}
    flags = {"speed": "12h/s", "dataflows": dataflows, "recovery_dir": recovery}
    found = line(short_file, TWO_DAYS, disturb, **flags)
    assert events == {HOURLY_RIDES: 48 * len(ZONE_IDS), PREDICTIONS: 49 * len(ZONE_IDS)}
    assert_same(found, undisturbed)


def test_a_dataflow_that_is_killed_at_work_and_started_again_leaves_the_same_redis(
    line: Runner, short_file: Path, undisturbed: Ran, wait_until: "WaitUntil", recovery: Path
) -> None:
    def disturb(stack: Stack) -> None:
        wait_until(lambda: any(stored(recovery, 1).values()), "there is a snapshot")
        kill(stack, "dataflow", wait_until)
        start_again(stack, "dataflow")

    found = line(short_file, TWO_DAYS, disturb, speed="12h/s", recovery_dir=recovery)
    assert_same(found, undisturbed)


@pytest.mark.parametrize("killed", [0, 1])
def test_a_cluster_of_which_one_was_killed_ends_and_goes_on_when_all_start_again(
    line: Runner,
    short_file: Path,
    undisturbed: Ran,
    wait_until: "WaitUntil",
    recovery: Path,
    killed: int,
) -> None:
    def disturb(stack: Stack) -> None:
        wait_until(lambda: any(stored(recovery, 2).values()), "there is a snapshot")
        kill(stack, f"dataflow-{killed}", wait_until)
        other = stack.parts[f"dataflow-{1 - killed}"]
        assert other.wait(20.0)
        assert other.exit_code == 6
        said = other.log.read_text("utf-8").splitlines()
        # At its start it may have waited for the other.
        assert [text for text in said if not text.endswith("; retrying")] == [
            "dataflow: the connection to another process of the dataflow's cluster broke: all of "
            "them have to start again, each with its own recovery directory"
        ]
        start_again(stack, "dataflow-0", "dataflow-1")

    found = line(short_file, TWO_DAYS, disturb, speed="12h/s", dataflows=2, recovery_dir=recovery)
    assert_same(found, undisturbed)


def test_a_dataflow_that_starts_again_after_its_end_sends_nothing(
    line: Runner, short_file: Path, undisturbed: Ran, wait_until: "WaitUntil", recovery: Path
) -> None:
    """First while the consumer is not done, so that only its store can tell; then when all is."""

    def disturb(stack: Stack) -> None:
        consumer = stack.parts["consumer"].pid
        os.kill(consumer, signal.SIGSTOP)
        wait_until(lambda: stack.parts["dataflow"].poll() == 0, "the dataflow is done")
        events = [sent_to(stack, topic) for topic in (HOURLY_RIDES, PREDICTIONS)]
        for again in (1, 2):
            start_again(stack, "dataflow")
            wait_until(lambda: stack.parts["dataflow"].poll() == 0, "the next one is too")
            assert [sent_to(stack, topic) for topic in (HOURLY_RIDES, PREDICTIONS)] == events
            if again == 1:
                assert hours_closed(stack) < 48
                os.kill(consumer, signal.SIGCONT)
                wait_until(stack.is_done, "the line is done")
        said = stack.parts["dataflow"].last_words()
        assert said == "dataflow: nothing to do: the run is finished"

    found = line(short_file, TWO_DAYS, disturb, ahead_hours=168, recovery_dir=recovery)
    assert_same(found, undisturbed)


def test_a_producer_that_is_killed_and_started_again_leaves_the_same_redis(
    line: Runner, short_file: Path, undisturbed: Ran, wait_until: "WaitUntil"
) -> None:
    def ahead(stack: Stack) -> bool:
        clock = stack.client.hgetall(keys.CLOCK)
        return int(str(clock["now_ts"])) - int(str(clock["last_hour_closed_ts"])) > 4 * HOUR_MS

    def disturb(stack: Stack) -> None:
        """The consumer sleeps meanwhile, so that the second producer takes up hours before."""
        consumer = stack.parts["consumer"].pid
        wait_until(lambda: stack.client.hget(keys.QUALITY, "hours_closed"), "an hour is closed")
        os.kill(consumer, signal.SIGSTOP)
        wait_until(lambda: ahead(stack), "the replay has run ahead")
        kill(stack, "producer", wait_until, closed=1)
        start_again(stack, "producer", speed="max")
        before = sent_to(stack, TRIPS)
        wait_until(lambda: sent_to(stack, TRIPS) > before, "the second producer sends")
        os.kill(consumer, signal.SIGCONT)
        logs.append(stack.parts["dataflow"].log)

    logs: list[Path] = []
    found = line(short_file, TWO_DAYS, disturb, speed="1d/s")

    assert found.trips_sent > undisturbed.trips_sent  # it did send trips twice
    assert_same(found, undisturbed)
    assert "trips that were sent twice" in logs[0].read_text("utf-8")


# What the processes say over HTTP once their work is done, if they linger.

Samples = dict[tuple[str, str], float]  # name, and labels as text -> value


def free_ports_in_a_row(count: int) -> int:
    """Return the first of so many ports on which nothing listens."""
    while True:
        (first,) = free_ports(1)
        try:
            for port in range(first + 1, first + count):
                socket.create_server((HOST, port)).close()
        except (OSError, OverflowError):
            continue
        return first


def get(port: int, path: str) -> str:
    """Return what a process answers."""
    with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=10.0) as answer:
        return str(answer.read().decode())


def scrape(port: int) -> tuple[set[str], Samples]:
    """Return the names of a process's own metrics, and their samples."""
    families = [
        family
        for family in text_string_to_metric_families(get(port, "/metrics"))
        if family.name.startswith("rushhour_") and not family.name.endswith("_created")
    ]
    names = {f"{f.name}_total" if f.type == "counter" else f.name for f in families}
    samples = {
        (sample.name, ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }
    return names, samples


@dataclass(frozen=True)
class Lingering:
    """A line of five processes that are done: its Redis, and their ports."""

    client: redis.Redis
    ports: dict[str, int]


@pytest.fixture(scope="module")
def lingering(
    settings: "SettingsFactory", short_file: Path, wait_until: "WaitUntil"
) -> Iterator[Lingering]:
    ours = settings(
        dataset="green",
        data=short_file,
        from_hour=TWO_DAYS[0],
        until_hour=TWO_DAYS[1],
        speed="max",
        redis_port=free_ports(1)[0],
        dataflows=2,
        consumers=2,
        metrics_port=free_ports_in_a_row(5),
    )
    run = describe_run(ours, short_file)

    def start(member: ProcessSpec, directory: Path) -> ChildProcess:
        """As an orchestrator does that restarts what ends; under `up` no part lingers."""
        lingers = member.settings.model_copy(update={"stay_alive": True})
        return line_module.start_process(replace(member, settings=lingers), directory)

    with pytest.MonkeyPatch.context() as patch, open_stack(ours, ours.state_dir) as stack:
        patch.setattr(stack_module, "start_process", start)
        stack.start_pipeline(run)
        wait_until(lambda: stack.is_done() or hours_closed(stack) == 48, "all hours are closed")
        wait_until(lambda: not live_processes(stack.client), "the parts are done")
        ports = {
            member.name: member.settings.metrics_port or 0 for member in process_specs(ours, run)
        }
        yield Lingering(stack.client, ports)


def test_each_process_exports_what_is_documented_of_it(
    lingering: Lingering, documented_metrics: dict[str, set[str]]
) -> None:
    for name, port in lingering.ports.items():
        assert scrape(port)[0] == documented_metrics[name.partition("-")[0]], name


def test_a_process_that_lingers_is_healthy_and_says_who_it_is(lingering: Lingering) -> None:
    for name, port in lingering.ports.items():
        part = name.partition("-")[0]
        assert json.loads(get(port, "/healthz")) == {"part": part, "status": "ok"}


def test_the_figures_of_all_processes_add_up(lingering: Lingering) -> None:
    sums: Samples = {}
    for port in lingering.ports.values():
        for key, value in scrape(port)[1].items():
            sums[key] = sums.get(key, 0.0) + value

    trips = float(read_hash(lingering.client, keys.CLOCK)["trips"])
    assert sums["rushhour_trips_sent_total", ""] == trips
    assert sums["rushhour_trips_counted_total", ""] == trips
    assert sums["rushhour_trips_repeated_total", ""] == 0.0
    assert sums["rushhour_forecast_seconds_count", ""] == 49.0
    assert sums["rushhour_events_read_total", "topic=hourly_rides"] == 48.0 * len(ZONE_IDS)
    assert sums["rushhour_events_read_total", "topic=predictions"] == 49.0 * len(ZONE_IDS)
    assert sums["rushhour_events_repeated_total", ""] == 0.0
    lags = {labels: value for (name, labels), value in sums.items() if "lag_messages" in name}
    assert lags == {
        f"partition={partition},topic={topic}": 0.0
        for topic in (TRIPS, HOURLY_RIDES, PREDICTIONS)
        for partition in range(4)
    }


def test_the_producer_shows_the_clock_and_the_rows_set_aside(lingering: Lingering) -> None:
    client = lingering.client
    _, found = scrape(lingering.ports["producer"])
    now = int(read_hash(client, keys.CLOCK)["now_ts"]) / 1000
    assert found["rushhour_simulated_time_seconds", ""] == now
    assert found["rushhour_speed_factor", ""] == math.inf
    states = {labels: value for (name, labels), value in found.items() if "clock_state" in name}
    assert {state for state, value in states.items() if value} == {"rushhour_clock_state=finished"}
    assert {
        labels.removeprefix("reason="): str(int(value))
        for (name, labels), value in found.items()
        if name == "rushhour_rows_rejected"
    } == {
        field.removeprefix("rejected:"): value
        for field, value in read_hash(client, keys.QUALITY).items()
        if field.startswith("rejected:")
    }


def test_every_consumer_tells_the_figures_of_the_run_that_redis_holds(lingering: Lingering) -> None:
    client = lingering.client
    city, quality = read_hash(client, keys.CITY), read_hash(client, keys.QUALITY)
    expected: Samples = {
        ("rushhour_hours_due", ""): 48.0,
        ("rushhour_hours_closed", ""): 48.0,
        ("rushhour_overlap", ""): float(quality["overlap"]),
        ("rushhour_alerts", ""): float(quality["alerts"]),
        ("rushhour_city_rides", ""): float(city["rides"]),
        ("rushhour_city_prediction", ""): float(city["prediction"]),
    } | {
        (f"rushhour_{score}", f"model={model},window={window}"): float(value)
        for model in MODELS
        for field, value in read_hash(client, keys.model(model)).items()
        if field != "hour" and value != "n/a"
        for score, window in [field.split("_")]
    }
    for consumer in ("consumer-0", "consumer-1"):
        _, found = scrape(lingering.ports[consumer])
        assert {key: found[key] for key in expected} == expected
