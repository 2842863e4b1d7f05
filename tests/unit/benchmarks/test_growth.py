"""The sizes, tables and picture of benchmarks/growth.py."""

from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks.growth import Process, Run, draw, tables, up_flags
from rushhour.core.surges import parse_surges
from rushhour.core.zones import ZONE_IDS

MIB = 1024 * 1024


def run(size: str, number: int, trips: int, cpu_s: float) -> Run:
    processes = [Process("producer", cpu_s, int(cpu_s * MIB)), Process("redis", 1.0, 8 * MIB)]
    wall_s = 2 * cpu_s
    return Run(
        size=size,
        number=number,
        trips=trips,
        wall_s=wall_s,
        first_hour_s=1.0,
        processes=processes,
    )


RUNS = [
    run("yellow", 1, 2_000_000, 9.0),
    run("green", 1, 1_000, 3.0),
    run("yellow", 2, 2_000_000, 5.0),
    run("yellow", 3, 2_000_000, 6.0),
]


def test_the_tables_have_medians_of_each_size_in_order_of_trips() -> None:
    assert tables(RUNS).splitlines() == [
        "| CPU time, and per trip | 1,000 trips | 2,000,000 trips |",
        "|---|---|---|",
        "| producer | 3.0 s, 3000.00 µs | 6.0 s, 3.00 µs |",
        "| redis | 1.0 s, 1000.00 µs | 1.0 s, 0.50 µs |",
        "| **all** | 4.0 s, 4000.00 µs | 7.0 s, 3.50 µs |",
        "| wall time | 6.0 s | 12.0 s |",
        "| start to the first closed hour | 1.0 s | 1.0 s |",
        "",
        "| peak memory | 1,000 trips | 2,000,000 trips |",
        "|---|---|---|",
        "| producer | 3 MiB | 6 MiB |",
        "| redis | 8 MiB | 8 MiB |",
    ]


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw(RUNS, tmp_path / "growth.svg")
    assert (tmp_path / "growth.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("size", "dataset", "ahead"),
    [("green", "green", "6"), ("yellow:0.1", "yellow", "6"), ("yellow:10", "yellow", "1")],
)
def test_a_larger_size_has_a_lead_of_fewer_hours(size: str, dataset: str, ahead: str) -> None:
    flags = up_flags(size)
    assert flags[:2] == ["--dataset", dataset]
    assert flags[-2:] == ["--ahead-hours", ahead]


def test_a_factor_is_a_surge_of_every_zone_from_the_first_hour() -> None:
    flags = up_flags("yellow:10")
    surges = parse_surges(flags[flags.index("--surge") + 1])
    assert [surge.zone for surge in surges] == list(ZONE_IDS)
    assert {(surge.factor, surge.from_ts) for surge in surges} == {(Decimal(10), 1_727_740_800_000)}
