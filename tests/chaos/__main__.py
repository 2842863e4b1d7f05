"""Run seeds outside of pytest: `make chaos SEEDS=500`, and `make chaos SEED=17` for one again."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.chaos.nemesis import draw
from tests.chaos.pipeline import Plan
from tests.chaos.schedule import Schedule
from tests.chaos.shrink import shrink
from tests.chaos.verdict import Report
from tests.chaos.world import Reference, open_world, undisturbed

KAFKA = "RUSHHOUR_TEST_KAFKA"


def main() -> int:
    """Run the seeds, print a line for each and a summary, and return an exit code."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--start", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, default=12, help="number of seeds")
    parser.add_argument("--seed", type=int, help="run this seed alone")
    parser.add_argument("--shrink", action="store_true", help="shorten what fails")
    parser.add_argument("--keep", type=Path, help="directory to keep logs and data in")
    options = parser.parse_args()
    seeds = range(options.start, options.start + options.seeds)
    if options.seed is not None:
        seeds = range(options.seed, options.seed + 1)
    kafka = os.environ.get(KAFKA)
    directory = options.keep or Path(tempfile.mkdtemp(prefix="chaos-"))
    reference = undisturbed(directory / "reference", kafka)
    failed: list[Report] = []
    for seed in seeds:
        schedule = draw(seed, Plan(reference.trip_file).hours)
        if options.seed is not None:
            print(schedule, flush=True)
        report = run(directory / f"seed-{seed}", schedule, reference, kafka)
        print(report.line() if report.passed else report.explain(), flush=True)
        if not report.passed:
            failed.append(report)
            if options.shrink:
                print(f"shortened:\n{_shorten(directory, schedule, reference, kafka)}", flush=True)
    print(f"{len(seeds) - len(failed)} of {len(seeds)} seeds passed; logs: {directory}")
    for report in failed:
        print(f"  make chaos SEED={report.schedule.seed}")
    return 1 if failed else 0


def run(
    directory: Path, schedule: Schedule, reference: Reference, kafka: str | None = None
) -> Report:
    """Run one schedule in a directory of its own."""
    with open_world(directory, schedule, reference, kafka) as world:
        return world.run()


def _shorten(
    directory: Path, schedule: Schedule, reference: Reference, kafka: str | None
) -> Schedule:
    def fails(smaller: Schedule) -> bool:
        name = f"seed-{schedule.seed}-{len(smaller.steps)}-{abs(hash(smaller)) % 10_000}"
        return not run(directory / name, smaller, reference, kafka).passed

    return shrink(schedule, fails)


if __name__ == "__main__":
    sys.exit(main())
