"""What-if runs through the whole pipeline: Redis, how they are named, and that they verify."""

from dataclasses import replace
from math import floor
from pathlib import Path

import pytest
import redis

from rushhour.core import keys
from rushhour.simulator.evaluation.verify import verify
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.storage.runs import load_run
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.trips import TripRow, write_trips

PER_HOUR = 3
SURGED_FROM = 5
WHAT_IF = "what if: zone 43 x 0.1 from 2024-10-01 00:00, zone 132 x 2.5 from 2024-10-01 05:00"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day with three trips an hour of three zones, and rows that no surge must count."""
    rows: list[TripRow] = [
        (f"2024-10-01 {hour:02}:{minute:02}:00", zone)
        for hour in range(24)
        for minute in (5, 5, 50)
        for zone in (1, 43, 132)
    ]
    rows += [(None, 132), ("2024-09-30 23:59:59", 43), ("2024-10-01 10:00:00", 999)]
    return write_trips(tmp_path_factory.mktemp("trips") / "day.parquet", rows)


def test_a_what_if_run_is_named_and_verifies(
    cli: Cli, rushhour: Rushhour, client: redis.Redis, redis_server: EmbeddedRedis, file: Path
) -> None:
    span = ["--from", "2024-10-01 01:00", "--until", "2024-10-01"]
    surges = "132:2.5@2024-10-01 05:00,43:0.1@2024-10-01"
    options = ["--surge", surges, "--speed", "max", "--redis", redis_server.url]

    ended = rushhour("up", "--dataset", "green", "--data", file, *span, *options)

    assert ended.code == 0, ended.stderr
    source = f"green 2024-10, day.parquet, {WHAT_IF}"
    assert f"replaying  {source}\n" in ended.stderr
    assert f"replayed {source} " in ended.words
    for hour in range(1, 24):
        found = client.hgetall(keys.rides(f"2024-10-01T{hour:02}"))
        k = PER_HOUR * max(0, hour - SURGED_FROM)
        doubled = floor(2.5 * (k + PER_HOUR)) - floor(2.5 * k)
        thinned = PER_HOUR * (hour + 1) // 10 - PER_HOUR * hour // 10
        assert {zone: rides for zone, rides in found.items() if rides != "0"} == {
            zone: str(rides)
            for zone, rides in (
                ("1", PER_HOUR),
                ("43", thinned),
                ("132", doubled if hour >= SURGED_FROM else PER_HOUR),
            )
            if rides
        }
    quality = client.hmget(keys.QUALITY, "rows_read", "trips_usable", "rejected:outside_month")
    in_month = 24 * PER_HOUR + 72 // 10 + 5 * PER_HOUR + floor(2.5 * 19 * PER_HOUR)
    assert quality == [str(3 * 72 + 3), str(in_month), "1"]
    assert WHAT_IF in cli(rushhour, "status", "--redis", redis_server.url).words
    checked = cli(rushhour, "verify", "--redis", redis_server.url)
    assert (checked.code, checked.stderr) == (0, "")
    assert f"0 zone-hours differ ({WHAT_IF})" in checked.words

    # The same Redis as a run without a surge is found out.
    hidden = replace(load_run(client), surge="")
    failed = {check.name for check in verify(client, hidden, [file]) if not check.passed}
    assert "rides equal a recount of the file" in failed


def test_a_synthetic_what_if_run_is_named_as_both_and_verifies(
    cli: Cli, rushhour: Rushhour
) -> None:
    span = ["--from", "2024-10-01 06:00", "--until", "2024-10-01 11:00"]
    surge = {"RUSHHOUR_SURGE": "75:3.3@2024-10-01 08:00"}

    ended = rushhour("up", "--dataset", "green", *span, "--speed", "max", env=surge)

    assert ended.code == 0, ended.stderr
    source = (
        "SYNTHETIC (made-up trips from mean rates), what if: zone 75 x 3.3 from 2024-10-01 08:00"
    )
    assert source in ended.stderr
    assert source in ended.words
    checked = cli(rushhour, "verify")  # without the flag: the surge is a fact of the run
    assert (checked.code, checked.stderr) == (0, "")
    assert "what if: zone 75 x 3.3" in checked.words
