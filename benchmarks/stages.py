"""What each stage of the line costs: medians of several whole runs on this machine.

    python benchmarks/stages.py [--runs 3] [--dataset yellow] [FLAGS OF rushhour up]

Prints one Markdown table. Needs the trip file (see `rushhour download`).
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_COST = re.compile(r"cost: ([\d.]+) s of wall time")
_PROCESS = re.compile(r"^\s+(producer|dataflow|consumer|broker|redis)\s+([\d.]+)\s+(\d+) MiB", re.M)
_DOES = {
    "producer": "read the file, encode, pace, send",
    "dataflow": "decode, count, join, learn, predict",
    "consumer": "join, score, write Redis",
    "broker": "librdkafka's mock cluster",
    "redis": "redis-server",
}


def run_once(flags: list[str]) -> tuple[float, dict[str, tuple[float, float]]]:
    """Return wall seconds, and CPU seconds and peak MiB of each process."""
    rushhour = Path(sys.executable).with_name("rushhour")
    with tempfile.TemporaryDirectory() as state:
        command = [str(rushhour), "up", "--speed", "max", "--exit", "--state-dir", state, *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = _COST.search(done.stdout)
    if done.returncode or wall is None:
        sys.exit(f"rushhour up failed: {done.stderr.strip()}")
    processes = {m[1]: (float(m[2]), float(m[3])) for m in _PROCESS.finditer(done.stdout)}
    return float(wall[1]), processes


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    arguments, flags = parser.parse_known_args()
    runs = [run_once(flags) for _ in range(arguments.runs)]
    print("| process | does | CPU s | peak memory |\n|---|---|---|---|")
    for name, does in _DOES.items():
        cpu = statistics.median(run[1][name][0] for run in runs)
        peak = statistics.median(run[1][name][1] for run in runs)
        print(f"| {name} | {does} | {cpu:.1f} | {peak:.0f} MiB |")
    walls = sorted(run[0] for run in runs)
    print(
        f"| **whole line** | wall time: {statistics.median(walls):.1f} s "
        f"({walls[0]:.1f} to {walls[-1]:.1f}) | | |"
    )


if __name__ == "__main__":
    main()
