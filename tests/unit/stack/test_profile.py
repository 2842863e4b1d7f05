"""The profile of a run: what its processes have left, the kernel's figures, and Redis."""

import json
from pathlib import Path
from typing import cast

import pytest
import redis

from rushhour.simulator.stack.child_process import Cost
from rushhour.simulator.stack.process_specs import roles
from rushhour.simulator.stack.profile import Part, Profiler
from rushhour.simulator.started import Times
from rushhour.simulator.terminal.profile import profile_report
from tests.fixtures.run_views import text_of

COST = Cost(user_s=3.0, system_s=1.0, peak_bytes=300 * 1024 * 1024)


class Server:
    """A Redis that counts ten more of everything each time it is asked."""

    def __init__(self) -> None:
        self._asked = 0

    def info(self, _section: str) -> dict[str, int]:
        self._asked += 1
        names = ("total_commands_processed", "total_net_input_bytes", "total_net_output_bytes")
        return dict.fromkeys(names, 1000 + 10 * self._asked)


@pytest.fixture
def profiler(tmp_path: Path) -> Profiler:
    left_by_another = tmp_path / "profile" / "consumer-1.5.json"
    left_by_another.parent.mkdir()
    left_by_another.write_text("{")
    return Profiler(tmp_path, cast(redis.Redis, Server()))


def leave(profiler: Profiler, name: str, **figures: object) -> None:
    none = {"messages_sent": 0, "messages_received": 0, "bytes_sent": 0, "bytes_received": 0}
    left = none | {"other_threads_s": 0.5, "waited_s": {}} | figures
    (profiler.directory / f"{name}.json").write_text(json.dumps(left))


def parts(profiler: Profiler, **costs: Cost | None) -> dict[str, Part]:
    return {part.name: part for part in profiler.parts(roles(1, 2), costs)}


def test_the_lives_of_a_process_are_added_up(profiler: Profiler) -> None:
    leave(profiler, "dataflow-0.11", messages_received=3, waited_s={"trips": 1.0, "core": 2.0})
    leave(profiler, "dataflow-0.12", messages_received=4, waited_s={"trips": 0.5, "kafka": 1.0})
    dataflow = parts(profiler, dataflow=COST)["dataflow"]
    assert (dataflow.cost, dataflow.other_threads_s, dataflow.messages_in) == (COST, 1.0, 7)
    assert dataflow.waited_s == {"trips": 1.5, "core": 2.0, "kafka": 1.0}


def test_a_process_that_was_killed_has_the_figures_of_the_kernel_only(profiler: Profiler) -> None:
    found = parts(profiler, **{"consumer-1": COST})
    assert found["consumer-1"] == Part("consumer-1", COST)
    assert found["consumer-0"] == Part("consumer-0")


def test_parts_are_in_the_order_of_the_data_flow(profiler: Profiler) -> None:
    names = ["producer", "dataflow", "consumer-0", "consumer-1", "broker", "redis", "up"]
    assert list(parts(profiler)) == names
    assert list(parts(profiler, web=COST)) == [*names[:-1], "web", "up"]


def test_redis_counts_from_the_beginning_of_the_run(profiler: Profiler) -> None:
    server = parts(profiler, redis=COST)["redis"]
    assert (server.messages_in, server.bytes_in, server.bytes_out) == (10, 10, 10)


def test_the_threads_of_a_server_are_those_beside_its_main_one(profiler: Profiler) -> None:
    broker = parts(profiler, broker=Cost(3.0, 1.0, 1, main_thread_s=0.25))["broker"]
    assert broker.other_threads_s == 3.75


def test_a_report_fits_80_columns_and_names_what_is_external(profiler: Profiler) -> None:
    million = 1_000_000
    for name in ("producer-0", "dataflow-0", "consumer-0", "consumer-1"):
        leave(
            profiler,
            f"{name}.1",
            messages_sent=1000 * million,
            messages_received=1000 * million,
            bytes_sent=100_000 * million,
            bytes_received=100_000 * million,
            waited_s={"closed_hours": 1234.5, "core": 2.0},
        )
    large = Cost(10_000.0, 10_000.0, 100_000 * million)
    own = dict.fromkeys(("producer", "dataflow", "consumer-0", "consumer-1"), large)
    found = list(profiler.parts(roles(1, 2), own))
    report = text_of(profile_report(found, Times(9999.9, 12.34), 1000 * million), 80)
    lines = report.splitlines()
    assert "…" not in report
    assert max(map(len, lines)) <= 80
    assert any(
        line.split() == ["producer", "hours", "to", "be", "closed", "1,234.5", "s"]
        for line in lines
    )
    assert "closed after 12.3 s" in report
    for server in ("broker", "redis"):
        assert any(line.split()[:2] == [server, "external"] for line in lines)
