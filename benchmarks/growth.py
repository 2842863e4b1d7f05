"""What each process costs as the number of trips grows: whole runs of several sizes.

    python benchmarks/growth.py [--sizes green yellow:0.1 yellow yellow:10] [FLAGS OF rushhour up]
    python benchmarks/growth.py --from RESULTS

A size is a dataset and a factor by which the trips of every zone are multiplied, as a surge from
the first hour on. So the hours are the same and the trips are not. Each run is `rushhour up --speed
max` with the embedded servers, and is verified afterwards. The embedded broker keeps 5 MiB of a
partition, so a size of ten times the trips is replayed with a lead of fewer hours.

Prints Markdown tables and draws a picture. Results are saved after each run: started again, it
does what is missing. Needs the trip files (see `rushhour download`).
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from matplotlib.figure import Figure

from rushhour.core.zones import ZONE_IDS

_MONTH_START = "2024-10-01"
_HOURS_AHEAD = 6  # the default of `rushhour up`
_MIB = 1024 * 1024
_SIZES = ("green", "yellow:0.1", "yellow", "yellow:10")
# Colours of Okabe and Ito, distinct for the colour-blind; markers differ in shape as well.
_STYLES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#000000", "v"),
    ("#E69F00", "P"),
)


class Process(msgspec.Struct, frozen=True):
    """What a process of a run has used."""

    name: str
    cpu_s: float
    peak_memory_bytes: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a size. `first_hour_s` is from the start of the command."""

    size: str
    number: int
    trips: int
    wall_s: float
    first_hour_s: float
    processes: list[Process]


def up_flags(size: str) -> list[str]:
    """Return the flags of `rushhour up` for a size.

    >>> up_flags("green")
    ['--dataset', 'green', '--ahead-hours', '6']
    """
    dataset, _, factor = size.partition(":")
    flags = ["--dataset", dataset]
    if factor:
        flags += ["--surge", ",".join(f"{zone}:{factor}@{_MONTH_START}" for zone in ZONE_IDS)]
    ahead = max(1, int(_HOURS_AHEAD / max(Decimal(factor or 1), Decimal(1))))
    return [*flags, "--ahead-hours", str(ahead)]


def run_once(size: str, number: int, flags: Sequence[str]) -> Run:
    """Run a size, verify it, and return what it has used."""
    rushhour = str(Path(sys.executable).with_name("rushhour"))
    with tempfile.TemporaryDirectory() as state:
        places = ["--state-dir", state]
        up = [rushhour, "up", "--json", "--quiet", "--exit", "--speed", "max", *places]
        run = subprocess.run([*up, *up_flags(size), *flags], stdout=subprocess.PIPE, check=False)
        if run.returncode:
            sys.exit(f"rushhour up failed for {size}")
        verify = subprocess.run(
            [rushhour, "verify", *places], capture_output=True, text=True, check=False
        )
        if verify.returncode:
            sys.exit(f"the run of {size} is wrong:\n{verify.stdout}{verify.stderr}")
    report = msgspec.json.decode(run.stdout)
    return Run(
        size=size,
        number=number,
        trips=report["counts"]["rides"],
        wall_s=report["wall_s"],
        first_hour_s=report["first_hour_s"],
        processes=msgspec.convert(report["processes"], list[Process]),
    )


def tables(runs: Sequence[Run]) -> str:
    """Return CPU time and memory of each process for each size, medians, as Markdown."""
    sizes = list(dict.fromkeys(run.size for run in sorted(runs, key=lambda run: run.trips)))
    of = {size: [run for run in runs if run.size == size] for size in sizes}
    trips = {size: of[size][0].trips for size in sizes}
    head = "".join(f" | {trips[size]:,} trips" for size in sizes) + " |"
    rule = "|---" * (len(sizes) + 1) + "|"

    def row(name: str, cells: Iterable[str]) -> str:
        return f"| {name} | {' | '.join(cells)} |"

    def cpu(size: str, name: str | None) -> str:
        cpu_s = statistics.median(_cpu_s(run, name) for run in of[size])
        return f"{cpu_s:.1f} s, {cpu_s / trips[size] * 1e6:.2f} µs"

    def memory(size: str, name: str) -> str:
        return f"{statistics.median(_peak(run, name) for run in of[size]) / _MIB:.0f} MiB"

    walls = (f"{statistics.median(run.wall_s for run in of[size]):.1f} s" for size in sizes)
    firsts = (f"{statistics.median(run.first_hour_s for run in of[size]):.1f} s" for size in sizes)
    names = _names(runs)
    lines = ["| CPU time, and per trip" + head, rule]
    lines += [row(name, (cpu(size, name) for size in sizes)) for name in names]
    lines += [row("**all**", (cpu(size, None) for size in sizes))]
    lines += [row("wall time", walls), row("start to the first closed hour", firsts), ""]
    lines += ["| peak memory" + head, rule]
    lines += [row(name, (memory(size, name) for size in sizes)) for name in names]
    return "\n".join(lines)


def draw(runs: Sequence[Run], path: Path) -> None:
    """Draw CPU time per trip and peak memory of each process over the number of trips."""
    figure = Figure(figsize=(12.0, 4.5), layout="constrained")
    cost, memory = figure.subplots(1, 2)
    all_trips = sorted({run.trips for run in runs})
    for name, (color, marker) in zip(_names(runs), _STYLES, strict=False):
        style: dict[str, Any] = {"color": color, "marker": marker, "label": name}
        of = [[run for run in runs if run.trips == trips] for trips in all_trips]
        cpu = [statistics.median(_cpu_s(run, name) / run.trips for run in same) for same in of]
        peak = [statistics.median(_peak(run, name) for run in same) / _MIB for same in of]
        cost.plot(all_trips, [seconds * 1e6 for seconds in cpu], **style)
        memory.plot(all_trips, peak, **style)
    cost.set_yscale("log")
    memory.set_ylim(bottom=0)
    for axes, title in ((cost, "CPU µs per trip"), (memory, "peak memory, MiB")):
        axes.set_title(title, fontsize=10)
        axes.set_xscale("log")
        axes.set_xlabel("trips in the same hours")
        axes.grid(color="#DDDDDD", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    memory.legend(frameon=False)
    figure.savefig(path)


def _names(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(process.name for run in runs for process in run.processes))


def _cpu_s(run: Run, name: str | None) -> float:
    return sum(process.cpu_s for process in run.processes if name in (None, process.name))


def _peak(run: Run, name: str) -> int:
    return sum(process.peak_memory_bytes for process in run.processes if process.name == name)


def main() -> None:
    """Measure, or draw what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=_SIZES, metavar="DATASET[:FACTOR]")
    parser.add_argument("--runs", type=int, default=1, help="of each size; medians are shown")
    parser.add_argument("--results", type=Path, default=Path(".bench/growth.json"))
    parser.add_argument("--from", type=Path, dest="drawn_from", metavar="RESULTS")
    options, flags = parser.parse_known_args()
    file: Path = options.drawn_from or options.results
    runs = msgspec.json.decode(file.read_bytes(), type=list[Run]) if file.exists() else []
    wanted = [(size, number) for number in range(1, options.runs + 1) for size in options.sizes]
    done = {(run.size, run.number) for run in runs}
    for size, number in [] if options.drawn_from else wanted:
        if (size, number) in done:
            continue
        runs.append(run_once(size, number, flags))
        print(f"{size}: {runs[-1].wall_s:.1f} s wall", file=sys.stderr, flush=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(runs))
    draw(runs, file.with_suffix(".svg"))
    print(tables(runs))


if __name__ == "__main__":
    main()
