"""What each part of the pipeline costs: medians of several runs of `rushhour up --profile`.

    python benchmarks/stages.py [--runs 3] [--dataset yellow] [FLAGS OF rushhour up]

Prints one Markdown table, that of docs/scaling.md. Needs the trip file (see `rushhour download`).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Report = Mapping[str, Any]  # what `rushhour up --json` prints

_MIB = 1024 * 1024
_DOES = {
    "producer": "read the file, encode, pace, send",
    "dataflow": "decode, count, join, learn, predict",
    "consumer": "join, score, write Redis",
    "broker": "librdkafka's mock cluster",
    "redis": "redis-server",
    "up": "start, show, report",
}


def run_once(flags: Sequence[str]) -> Report:
    """Run `rushhour up` as fast as it can, and return its report."""
    rushhour = Path(sys.executable).with_name("rushhour")
    with tempfile.TemporaryDirectory() as state:
        command = [str(rushhour), "up", "--profile", "--json", "-q", "--speed", "max"]
        command += ["--state-dir", state, *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"rushhour up failed: {done.stderr.strip()}")
    report: Report = json.loads(done.stdout)
    return report


def table(reports: Sequence[Report]) -> str:
    """Return the medians of some runs as a Markdown table."""
    lines = [
        "| part | does | CPU s | of that, threads of libraries | peak memory |",
        "|---|---|---|---|---|",
    ]
    for parts in zip(*(report["profile"] for report in reports), strict=True):
        name = parts[0]["name"]
        kind = name.rstrip("-0123456789")  # of several, each is numbered
        cpu = _cell(".1f", [_sum(part["cpu_user_s"], part["cpu_system_s"]) for part in parts])
        threads = _cell(".1f", [part["cpu_other_threads_s"] for part in parts])
        peak = _cell(".0f", [part["peak_memory_bytes"] for part in parts], _MIB, " MiB")
        lines.append(f"| {name} | {_DOES[kind]} | {cpu} | {threads} | {peak} |")
    walls = sorted(report["wall_s"] for report in reports)
    span = f"{statistics.median(walls):.1f} s ({walls[0]:.1f} to {walls[-1]:.1f})"
    first = _cell(".1f", [report["first_hour_s"] for report in reports], unit=" s")
    lines.append(f"| **all** | wall time: {span}; first hour: {first} | | | |")
    return "\n".join(lines)


def _sum(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _cell(form: str, values: Sequence[float | None], scale: float = 1.0, unit: str = "") -> str:
    """Return the median of some figures; a dash if one is not known."""
    known = [value for value in values if value is not None]
    return f"{statistics.median(known) / scale:{form}}{unit}" if len(known) == len(values) else "-"


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    arguments, flags = parser.parse_known_args()
    print(table([run_once(flags) for _ in range(arguments.runs)]))


if __name__ == "__main__":
    main()
