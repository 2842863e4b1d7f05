"""The table of benchmarks/stages.py is made of the JSON reports of `rushhour up`."""

from benchmarks.stages import table


def report(wall_s: float, cpu_s: float, mib: int) -> dict[str, object]:
    return {
        "wall_s": wall_s,
        "processes": [
            {"name": "producer", "cpu_s": cpu_s, "peak_memory_bytes": mib * 1024 * 1024},
            {"name": "dataflow-1", "cpu_s": 2 * cpu_s, "peak_memory_bytes": 2 * mib * 1024 * 1024},
        ],
    }


def test_it_has_the_medians_of_each_process_and_of_the_whole() -> None:
    lines = table([report(9.0, 1.0, 10), report(20.0, 3.0, 30), report(10.0, 2.0, 20)]).splitlines()
    assert lines[2:] == [
        "| producer | read the file, encode, pace, send | 2.0 | 20 MiB |",
        "| dataflow-1 | decode, count, join, learn, predict | 4.0 | 40 MiB |",
        "| **whole pipeline** | wall time: 10.0 s (9.0 to 20.0) | | |",
    ]
