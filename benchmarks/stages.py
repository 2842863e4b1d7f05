"""What each stage of the pipeline costs: medians of several whole runs on this machine.

    python benchmarks/stages.py [--runs 3] [--dataset yellow] [FLAGS OF rushhour up]

Prints one Markdown table. Needs the trip file (see `rushhour download`).
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
}


def run_once(flags: Sequence[str]) -> Report:
    """Run `rushhour up` as fast as it can, and return its report."""
    rushhour = Path(sys.executable).with_name("rushhour")
    with tempfile.TemporaryDirectory() as state:
        command = [str(rushhour), "up", "--json", "-q", "--speed", "max", "--state-dir", state]
        done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"rushhour up failed: {done.stderr.strip()}")
    report: Report = json.loads(done.stdout)
    return report


def table(reports: Sequence[Report]) -> str:
    """Return the medians of some runs as a Markdown table."""
    lines = ["| process | does | CPU s | peak memory |", "|---|---|---|---|"]
    for process in reports[0]["processes"]:
        name = process["name"]
        kind = name.rstrip("-0123456789")  # of several, each is numbered
        cpu_s = statistics.median(_values(reports, name, "cpu_s"))
        peak = statistics.median(_values(reports, name, "peak_memory_bytes"))
        lines.append(f"| {name} | {_DOES[kind]} | {cpu_s:.1f} | {peak / _MIB:.0f} MiB |")
    walls = sorted(report["wall_s"] for report in reports)
    span = f"{walls[0]:.1f} to {walls[-1]:.1f}"
    median = statistics.median(walls)
    lines.append(f"| **whole pipeline** | wall time: {median:.1f} s ({span}) | | |")
    return "\n".join(lines)


def _values(reports: Sequence[Report], process: str, field: str) -> list[float]:
    return [
        each[field] for report in reports for each in report["processes"] if each["name"] == process
    ]


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    arguments, flags = parser.parse_known_args()
    print(table([run_once(flags) for _ in range(arguments.runs)]))


if __name__ == "__main__":
    main()
