"""The program of docs/redis-cookbook.md waits for closed hours."""

import re
import subprocess
import sys
from pathlib import Path

import redis

from rushhour.core import keys
from rushhour.core.hours import HOUR_MS, hour_label, parse_label
from rushhour.simulator.stack.redis_server import EmbeddedRedis

PAGE = Path(__file__).parents[3] / "docs" / "redis-cookbook.md"
START = parse_label("2024-10-01T00")


def close_hour(client: redis.Redis, number: int, errors: dict[int, float]) -> None:
    """Write what a consumer writes when an hour is closed, as far as the program reads it."""
    hour_ts = START + number * HOUR_MS
    hour = hour_label(hour_ts)
    client.hset(keys.errors(hour), mapping={str(zone): error for zone, error in errors.items()})
    client.xadd(keys.CITY_HOURLY, {"hour": hour, "rides": 100 + number}, id=f"{hour_ts}-0")


def test_the_program_prints_each_hour_once_and_ends_with_the_run(
    client: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.S | re.M)
    assert len(blocks) == 1
    assert len(blocks[0].splitlines()) <= 20
    program = tmp_path / "closed_hours.py"
    program.write_text(blocks[0])
    client.hset(keys.RUN, "until", hour_label(START + 2 * HOUR_MS))
    client.hset(keys.zone(132), "name", "JFK Airport")
    client.hset(keys.zone(79), "name", "East Village")
    close_hour(client, 0, {79: 1.5, 132: -2.5})  # before the program starts
    with subprocess.Popen(
        [sys.executable, program, redis_server.url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "2024-10-01T00 100 rides; JFK Airport -2.5\n"
        close_hour(client, 1, {79: 8.0, 132: 0.25})  # while it waits
        assert process.stdout.readline() == "2024-10-01T01 101 rides; East Village 8.0\n"
        close_hour(client, 2, {79: -0.5, 132: 0.25})
        assert process.stdout.read() == "2024-10-01T02 102 rides; East Village -0.5\n"
        assert process.wait(10.0) == 0
