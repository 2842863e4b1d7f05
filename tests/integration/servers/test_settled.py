"""When all is written that follows from the ticks up to an instant."""

import pytest
import redis

from rushhour.core import keys
from rushhour.core.hours import HOUR_MS, hour_label
from rushhour.core.run import RunInfo
from rushhour.core.zones import ZONE_IDS
from rushhour.storage.clock import is_settled

START = 1_727_740_800_000  # 2024-10-01 00:00
RUN = RunInfo("id", "green", "2024-10", "a.parquet", "/a.parquet", START, START + 5 * HOUR_MS)


def forecast_first_hour(client: redis.Redis, zones: int) -> None:
    key = keys.predictions(hour_label(START))
    client.hset(key, mapping={str(zone): "0.5" for zone in ZONE_IDS[:zones]})


def close(client: redis.Redis, hour: int) -> None:
    client.xadd(keys.CITY_HOURLY, {"hour": "x"}, id=f"{START + hour * HOUR_MS}-0")


def test_a_run_at_its_start_waits_for_the_forecast_of_all_zones(client: redis.Redis) -> None:
    assert not is_settled(client, RUN, START)
    forecast_first_hour(client, len(ZONE_IDS) - 1)
    assert not is_settled(client, RUN, START)
    forecast_first_hour(client, len(ZONE_IDS))
    assert is_settled(client, RUN, START)
    assert is_settled(client, RUN, START + HOUR_MS - 1)
    assert not is_settled(client, RUN, START + HOUR_MS)


@pytest.mark.parametrize(("now", "settled"), [(2 * HOUR_MS + 5, True), (3 * HOUR_MS, False)])
def test_hours_that_have_passed_must_be_closed(
    client: redis.Redis, now: int, settled: bool
) -> None:
    close(client, 0)
    close(client, 1)
    assert is_settled(client, RUN, START + now) is settled
