"""The table of benchmarks/stages.py is made of the JSON reports of `rushhour up --profile`."""

from typing import Any

from benchmarks.stages import table

_MIB = 1024 * 1024


def report(wall_s: float, cpu_s: float, mib: int) -> dict[str, Any]:
    def part(name: str, times: int) -> dict[str, Any]:
        return {
            "name": name,
            "cpu_user_s": times * cpu_s - 0.5,
            "cpu_system_s": 0.5,
            "cpu_other_threads_s": 0.25,
            "peak_memory_bytes": times * mib * _MIB,
        }

    external = part("broker", 1) | dict.fromkeys(set(part("broker", 1)) - {"name"})
    profile = [part("producer", 1), part("dataflow-1", 2), external]
    return {"wall_s": wall_s, "first_hour_s": wall_s / 5, "profile": profile}


def test_it_has_the_medians_of_each_part_and_of_the_whole() -> None:
    lines = table([report(9.0, 1.0, 10), report(20.0, 3.0, 30), report(10.0, 2.0, 20)]).splitlines()
    assert lines[2:] == [
        "| producer | read the file, encode, pace, send | 2.0 | 0.2 | 20 MiB |",
        "| dataflow-1 | decode, count, join, learn, predict | 4.0 | 0.2 | 40 MiB |",
        "| broker | librdkafka's mock cluster | - | - | - |",
        "| **all** | wall time: 10.0 s (9.0 to 20.0); first hour: 2.0 s | | | |",
    ]
