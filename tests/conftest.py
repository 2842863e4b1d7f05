"""Load the fixtures, and mark every test by its folder."""

import os
from pathlib import Path

# One thread for linear algebra, as in the dataflow. Set before numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

# Before they are imported, so that their asserts explain themselves.
pytest.register_assert_rewrite("tests.fixtures")

pytest_plugins = [
    "tests.fixtures.brokers",
    "tests.fixtures.chromium",
    "tests.fixtures.closed_run",
    "tests.fixtures.command",
    "tests.fixtures.consumers",
    "tests.fixtures.docker",
    "tests.fixtures.documentation",
    "tests.fixtures.examples",
    "tests.fixtures.finished_run",
    "tests.fixtures.kafka_server",
    "tests.fixtures.leases",
    "tests.fixtures.pipeline",
    "tests.fixtures.redis_server",
    "tests.fixtures.settings",
    "tests.fixtures.skips",
    "tests.fixtures.tls",
    "tests.fixtures.trips",
    "tests.fixtures.web",
    "tests.fixtures.workers",
]

_TESTS = Path(__file__).parent
_KINDS = ("unit", "integration", "chaos", "e2e")


def _kind(path: Path) -> str:
    """Return the kind of the tests in a file: its folder under `tests`; doctests are unit tests."""
    folder = path.relative_to(_TESTS).parts[0] if path.is_relative_to(_TESTS) else "unit"
    return folder if folder in _KINDS else "unit"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(_kind(item.path))
        if "docker_engine" in getattr(item, "fixturenames", ()):
            item.add_marker("containers")
