"""The comparison of two runs: it finds every change of what Redis holds."""

from collections.abc import Callable

import pytest
import redis

from rushhour.core.hours import parse_label
from tests.chaos.comparison import Contents, differences, differences_so_far

FIRST, SECOND = "2024-10-01T00", "2024-10-01T01"
Change = Callable[[redis.Redis], object]


@pytest.fixture
def run(client: redis.Redis) -> redis.Redis:
    """A Redis with one closed hour, and a forecast for the next."""
    client.hset(f"rides:{FIRST}", mapping={"1": "5", "132": "17"})
    client.hset(f"predictions:{FIRST}", mapping={"1": "4.5"})
    client.hset(f"predictions:{SECOND}", mapping={"1": "5.25"})
    client.hset("zone:132", mapping={"hour": FIRST, "rides": "17"})
    client.zadd("board:rides", {"1": 5.0, "132": 17.0})
    client.xadd("city:hourly", {"rides": "22"}, id=f"{parse_label(FIRST)}-0")
    client.hset("sim:clock", mapping={"state": "running"})
    return client


def test_a_run_equals_itself(run: redis.Redis) -> None:
    assert differences(Contents.read(run), Contents.read(run)) == []


def test_what_depends_on_the_machine_is_left_out(run: redis.Redis) -> None:
    before = Contents.read(run)
    run.hset("sim:clock", "state", "finished")
    run.set("sim:lease:consumer-0", "someone")
    assert differences(before, Contents.read(run)) == []


CHANGES: list[tuple[Change, str]] = [
    (lambda r: r.hset(f"rides:{FIRST}", "132", "18"), f"rides:{FIRST}: 132 '17' became '18'"),
    (lambda r: r.hset("zone:132", "next_hour", SECOND), "zone:132: next_hour None became"),
    (lambda r: r.hdel("zone:132", "rides"), "zone:132: rides '17' became None"),
    (lambda r: r.delete(f"predictions:{SECOND}"), f"predictions:{SECOND} is missing"),
    (lambda r: r.set("stray", "1"), "stray should not exist"),
    (lambda r: r.zadd("board:rides", {"1": 5.5}), "board:rides: 1 5.0 became 5.5"),
    (lambda r: r.xadd("city:hourly", {"rides": "22"}, id="1727744400000-1"), "1727744400000-1"),
    (
        lambda r: (r.delete("board:rides"), r.hset("board:rides", "1", "5")),
        "board:rides: a zset became a hash",
    ),
]


@pytest.mark.parametrize(("change", "line"), CHANGES, ids=[line for _, line in CHANGES])
def test_a_change_is_found(run: redis.Redis, change: Change, line: str) -> None:
    before = Contents.read(run)
    change(run)
    (found,) = differences(before, Contents.read(run))
    assert line in found


def test_a_stream_with_another_id_differs(run: redis.Redis) -> None:
    before = Contents.read(run)
    run.delete("city:hourly")
    run.xadd("city:hourly", {"rides": "22"}, id=f"{parse_label(FIRST)}-1")
    assert len(differences(before, Contents.read(run))) == 1


def test_an_unfinished_run_is_compared_up_to_its_last_closed_hour(run: redis.Redis) -> None:
    before = Contents.read(run)
    run.delete(f"predictions:{SECOND}")
    run.hset("zone:132", "rides", "0")
    assert differences_so_far(before, Contents.read(run)) == []
    run.hset(f"rides:{FIRST}", "1", "6")
    assert len(differences_so_far(before, Contents.read(run))) == 1


def test_a_run_without_a_closed_hour_has_nothing_to_compare(run: redis.Redis) -> None:
    before = Contents.read(run)
    run.delete("city:hourly", f"rides:{FIRST}")
    assert differences_so_far(before, Contents.read(run)) == []
