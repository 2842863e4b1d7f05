"""Twelve seeds, which hold every fault, and some on a real Kafka. `make chaos` runs more."""

import os
from pathlib import Path

import pytest

from tests.chaos.__main__ import KAFKA, run
from tests.chaos.nemesis import BLOCK, draw
from tests.chaos.pipeline import Plan
from tests.chaos.world import Reference
from tests.fixtures.brokers import REAL_KAFKA

ON_A_REAL_KAFKA = (2, 4, 6)  # processes, Redis, records and a second run


def check(seed: int, reference: Reference, directory: Path, kafka: str | None = None) -> None:
    schedule = draw(seed, Plan(reference.trip_file).hours)
    report = run(directory, schedule, reference, kafka)
    assert report.passed, f"{report.explain()}\nto see it again: make chaos SEED={seed}"


@pytest.mark.parametrize("seed", range(BLOCK))
def test_a_disturbed_run_ends_equal_or_stops(
    seed: int, reference: Reference, tmp_path: Path
) -> None:
    check(seed, reference, tmp_path / "run")


@pytest.mark.kafka
@pytest.mark.parametrize("seed", ON_A_REAL_KAFKA, ids=lambda seed: f"{REAL_KAFKA}-{seed}")
def test_a_disturbed_run_on_a_real_kafka_ends_equal_or_stops(
    seed: int, reference: Reference, tmp_path: Path
) -> None:
    kafka = os.environ.get(KAFKA)
    if kafka is None:
        pytest.skip(f"needs a real Kafka: set {KAFKA} to its bootstrap servers")
    check(seed, reference, tmp_path / "run", kafka)
