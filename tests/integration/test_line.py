"""The line from a trip file to Redis: what it computes, and that nothing can change it.

Small trip files with known trips go through the real processes, the real Kafka protocol and a
real Redis. What Redis holds is compared with a count of the same trips by hand, and with what
other runs over the same file left there.
"""

import math
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import redis

from core import keys
from core.hours import HOUR_MS, hour_label
from core.kafka import end_offsets
from core.redis_client import connect
from core.settings import Settings
from core.topics import TRIPS
from core.zones import ZONE_IDS, zones
from dataflows.counting import CityHour
from dataflows.forecasting import HourlyForecasting
from simulator.parts import Part
from simulator.prepare import describe_run
from simulator.redis_server import EmbeddedRedis
from simulator.stack import Stack, open_stack

if TYPE_CHECKING:
    from tests.conftest import SettingsFactory, TripRow, TripWriter, WaitUntil

pytestmark = pytest.mark.integration

SERVED = "bayesian_linear_regression"
LAST_WEEK = "same_hour_last_week"
LAGS = {"last_hour": 1, "same_hour_yesterday": 24, LAST_WEEK: 168}
HALF_DIGIT = 0.5e-4 + 1e-9  # figures are rounded to four decimals
# Zones of all four partitions, the first and the last ids, and the two that are no place.
BUSY = (1, 4, 43, 75, 132, 161, 236, 237, 263, 264, 265)
Contents = Callable[[redis.Redis], dict[str, object]]
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
    ) -> None:
        self._settings = settings
        self._server = server
        self._contents = contents
        self._wait = wait

    def __call__(
        self, file: Path, span: tuple[str, str], disturb: Disturb | None = None, **flags: Any
    ) -> Ran:
        client = connect(self._server.url)
        client.flushall()
        settings = self._settings(
            redis=self._server.url,
            dataset="green",
            data=file,
            from_hour=span[0],
            until_hour=span[1],
            **({"speed": "max"} | flags),
        )
        run = describe_run(settings, file)
        with open_stack(settings, settings.state_dir) as stack:
            stack.start_line(run)
            if disturb is not None:
                disturb(stack)
            self._wait(stack.is_done, "the line is done", 40.0)
            sent = sum(end_offsets(stack.bootstrap, [TRIPS])[TRIPS].values())
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
) -> Runner:
    return Runner(settings, redis_server, contents, wait_until)


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
        forecasting = HourlyForecasting()
        served = [forecasting.update(CityHour(start, None)).by_model[SERVED]]
        for i in range(hours):
            closed = CityHour(start + i * 3_600_000, rides[i])
            served.append(forecasting.update(closed).by_model[SERVED])
        nothing = np.full(len(ZONE_IDS), np.nan)
        by_model = {SERVED: served} | {
            name: [nothing] * lag + [row.astype(np.float64) for row in rides[: hours + 1 - lag]]
            for name, lag in LAGS.items()
        }
        return cls(start, rides, by_model)

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
        for name, lag in LAGS.items():
            key = f"predictions:{name}:{label}"
            if hour < lag:
                assert key not in ran.keys
            else:
                assert ran.hash(key) == by_zone(brute.by_model[name][hour])


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
        predicted = brute.by_model[SERVED][last][zone.id - 1]
        rides = brute.rides[last][zone.id - 1]
        scores = {f"{s}_{w}h" for s in ("mae", "rmse", "bias", "skill") for w in (24, 168)}
        plain = {field: value for field, value in found.items() if field not in scores}
        assert plain == {
            "name": zone.name,
            "borough": zone.borough,
            "hour": brute.label(last),
            "rides": str(rides),
            "prediction": text(predicted),
            "error": text(predicted - rides),
            "next_hour": brute.label(last + 1),
            "next_prediction": text(brute.by_model[SERVED][last + 1][zone.id - 1]),
        }
        for window in (24, 168):
            assert_scores(found, window, brute.scores(SERVED, window, zone.id))


def test_each_model_has_rolling_errors_over_the_city(ran: Ran, brute: Brute) -> None:
    for model in (SERVED, *LAGS):
        found = ran.hash(f"model:{model}")
        assert found["hour"] == brute.label(brute.hours - 1)
        for window in (24, 168):
            assert_scores(found, window, brute.scores(model, window, None))
    assert float(ran.hash(f"model:{LAST_WEEK}")["skill_24h"]) == 0.0


def test_boards_rank_all_zones_by_demand_and_by_error(ran: Ran, brute: Brute) -> None:
    demand, mae = ran.keys["board:demand"], ran.keys["board:mae:24h"]
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


def test_the_city_has_one_line_an_hour_with_the_hour_as_its_id(ran: Ran, brute: Brute) -> None:
    entries = ran.keys["city:hourly"]
    assert isinstance(entries, list)
    ids = [entry_id for entry_id, _ in entries]
    assert ids == [f"{brute.start + hour * 3_600_000}-0" for hour in range(brute.hours)]
    for hour, (_, fields) in enumerate(entries):
        expected = city_line(brute, hour)
        assert fields["hour"] == expected["hour"]
        assert fields["rides"] == expected["rides"]
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
    }


def test_redis_holds_these_keys_and_no_others_as_plain_structures(ran: Ran, brute: Brute) -> None:
    labels = [brute.label(hour) for hour in range(brute.hours)]
    of_this_run = {"sim:clock", "sim:run", "sim:offsets", "sim:closed"}
    hashes = of_this_run | {"city", "quality"}
    hashes |= {f"zone:{zone}" for zone in ZONE_IDS} | {f"model:{name}" for name in (SERVED, *LAGS)}
    hashes |= {f"rides:{label}" for label in labels} | {f"errors:{label}" for label in labels}
    next_too = [*labels, brute.label(brute.hours)]
    hashes |= {f"predictions:{label}" for label in next_too}
    hashes |= {f"predictions:{name}:{lb}" for name, lag in LAGS.items() for lb in next_too[lag:]}
    assert ran.types == dict.fromkeys(hashes, "hash") | {
        "board:demand": "zset",
        "board:mae:24h": "zset",
        "city:hourly": "stream",
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


def restart(
    stack: Stack, name: str, module: str, settings: Settings, wait: "WaitUntil", closed: int = 16
) -> None:
    """Kill a part when so many of the 48 hours are closed, and start another in its place."""

    def enough() -> bool:
        stack.is_done()
        return int(str(stack.client.hget(keys.QUALITY, "hours_closed") or 0)) >= closed

    wait(enough, f"{closed} hours are closed")
    os.kill(stack.parts[name].pid, signal.SIGKILL)
    wait(lambda: stack.parts[name].poll() == -signal.SIGKILL, f"the {name} is gone")
    assert int(str(stack.client.hget(keys.QUALITY, "hours_closed"))) < 40
    env = settings.as_environment() | {
        "RUSHHOUR_KAFKA": stack.bootstrap,
        "RUSHHOUR_REDIS": stack.redis_url,
    }
    log = stack.directory / f"{name}-again.log"
    stack.parts[name] = Part.python(name, module, log, env)


def test_a_consumer_that_is_killed_and_started_again_leaves_the_same_redis(
    line: Runner, short_file: Path, undisturbed: Ran, wait_until: "WaitUntil"
) -> None:
    def disturb(stack: Stack) -> None:
        restart(stack, "consumer", "consumers", stack.settings, wait_until)

    assert_same(line(short_file, TWO_DAYS, disturb, speed="1d/s"), undisturbed)


def test_a_producer_that_is_killed_and_started_again_leaves_the_same_redis(
    line: Runner, short_file: Path, undisturbed: Ran, wait_until: "WaitUntil"
) -> None:
    def sent(stack: Stack) -> int:
        return sum(end_offsets(stack.bootstrap, [TRIPS])[TRIPS].values())

    def ahead(stack: Stack) -> bool:
        clock = stack.client.hgetall(keys.CLOCK)
        return int(str(clock["now_ts"])) - int(str(clock["last_hour_closed_ts"])) > 4 * HOUR_MS

    def disturb(stack: Stack) -> None:
        """The consumer sleeps meanwhile, so that the second producer takes up hours before."""
        at_max = stack.settings.model_copy(update={"speed": "max"})
        consumer = stack.parts["consumer"].pid
        wait_until(lambda: stack.client.hget(keys.QUALITY, "hours_closed"), "an hour is closed")
        os.kill(consumer, signal.SIGSTOP)
        wait_until(lambda: ahead(stack), "the replay has run ahead")
        restart(stack, "producer", "producers", at_max, wait_until, closed=1)
        before = sent(stack)
        wait_until(lambda: sent(stack) > before, "the second producer sends")
        os.kill(consumer, signal.SIGCONT)
        logs.append(stack.parts["dataflow"].log)

    logs: list[Path] = []
    found = line(short_file, TWO_DAYS, disturb, speed="1d/s")

    assert found.trips_sent > undisturbed.trips_sent  # it did send trips twice
    assert_same(found, undisturbed)
    assert "trips that were sent twice" in logs[0].read_text("utf-8")
