"""Failpoints: their syntax, their actions, and that each of them lies somewhere in the code."""

import json
import re
import socket
import subprocess
import sys
import threading
import timeit
from pathlib import Path

import pytest

from rushhour.runtime import failpoints
from rushhour.runtime.failpoints import FAILPOINTS, LIMITS, FailpointReached, Failpoints

ROOT = Path(__file__).parents[3]
SOURCES = [
    file.read_text("utf-8")
    for room in ("rushhour", "producers", "dataflows", "consumers")
    for file in (ROOT / room).rglob("*.py")
]


def named(function: str) -> set[str]:
    """Return the names that the code gives to `reach` or `limit`."""
    calls = re.compile(rf'\b{function}\(\s*"([\w.]+)"')
    return {name for source in SOURCES for name in calls.findall(source)}


def test_every_failpoint_lies_in_the_code() -> None:
    assert named("reach") == set(FAILPOINTS)


def test_every_limit_is_asked_for_in_the_code() -> None:
    assert named("limit") == set(LIMITS)


def test_a_failpoint_acts_at_its_count() -> None:
    found = Failpoints.parse("consumer.written=3:raise")
    found.reach("consumer.written", hour=0)
    found.reach("consumer.city")
    found.reach("consumer.written", hour=1)
    with pytest.raises(FailpointReached, match=r"consumer\.written"):
        found.reach("consumer.written", hour=2)
    found.reach("consumer.written", hour=3)


def test_a_star_stands_for_each_time_and_for_all_names() -> None:
    found = Failpoints.parse("*=*:raise")
    for name in ("consumer.written", "lease.renew", "consumer.written"):
        with pytest.raises(FailpointReached):
            found.reach(name)


def test_a_failpoint_that_holds_tells_the_driver_and_waits_for_its_answer(tmp_path: Path) -> None:
    address = tmp_path / "driver"
    events: list[dict[str, object]] = []

    def drive() -> None:
        for answer in (b"go\n", b"raise\n"):
            connection, _ = server.accept()
            with connection:
                events.append(json.loads(connection.makefile().readline()))
                connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        server.listen()
        driver = threading.Thread(target=drive)
        driver.start()
        found = Failpoints.parse(f"consumer.written=*:hold:{address}")
        found.reach("consumer.written", hour=7)
        with pytest.raises(FailpointReached):
            found.reach("consumer.written", hour=8)
        driver.join()
    assert [(event["name"], event["count"], event["hour"]) for event in events] == [
        ("consumer.written", 1, 7),
        ("consumer.written", 2, 8),
    ]


def test_without_a_driver_a_process_goes_on(tmp_path: Path) -> None:
    Failpoints.parse(f"lease.renew=*:hold:{tmp_path / 'gone'}").reach("lease.renew")


def test_a_process_is_killed_where_the_environment_says() -> None:
    program = "from rushhour.runtime.failpoints import reach; reach('lease.renew'); print('alive')"
    environment = {"RUSHHOUR_FAILPOINTS": "lease.renew=1:kill", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (-9, b"")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("consumer.writen=1:kill", "no such failpoint"),
        ("lease.second=1", "no such limit"),
        ("consumer.written=1:stop", "use kill, raise or hold:SOCKET"),
        ("consumer.written=1:hold", "use kill, raise or hold:SOCKET"),
        ("consumer.written=x:kill", "invalid literal"),
    ],
)
def test_a_mistake_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Failpoints.parse(text)


def test_a_limit_is_replaced_by_the_environment_only() -> None:
    assert Failpoints.parse("lease.seconds=1.5;").limits == {"lease.seconds": 1.5}
    assert failpoints.limit("lease.seconds", 5.0) == 5.0


def test_failpoints_that_are_not_set_cost_next_to_nothing() -> None:
    assert failpoints.reach is failpoints._nothing
    calls = 100_000
    seconds = min(
        timeit.repeat(lambda: failpoints.reach("consumer.written", hour=1), number=calls, repeat=3)
    )
    assert seconds / calls < 5e-6
