"""The knobs of `.env` reach the settings through `docker-compose.yml`."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rushhour.core.settings import PREFIX, Settings

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
KNOBS = dict(
    line.split("=", 1)
    for line in (ROOT / ".env").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)


def test_every_knob_is_used_and_every_variable_is_a_knob() -> None:
    assert set(re.findall(r"\$\{(\w+)", COMPOSE)) == set(KNOBS)
    assert {"SPEED", "DATASET", "MONTH", "FROM", "UNTIL", "PARTITIONS"} <= set(KNOBS)


def test_every_variable_has_a_default() -> None:
    assert re.findall(r"\$\{\w+(?!\w|:-)", COMPOSE) == []


def test_the_variables_of_the_containers_are_settings() -> None:
    known = {Settings.env_name(field) for field in Settings.model_fields}
    given = {name for service in SERVICES.values() for name in service.get("environment", {})}
    assert {name for name in given if name.startswith(PREFIX)} - known == set()


@pytest.mark.parametrize("knob", ["DATASET", "MONTH", "FROM", "UNTIL", "SURGE", "PARTITIONS"])
def test_prepare_gets_the_data_of_the_run(knob: str) -> None:
    assert SERVICES["prepare"]["environment"][PREFIX + knob] == f"${{{knob}:-}}"


@pytest.mark.parametrize("knob", ["DATAFLOWS", "CONSUMERS"])
def test_prepare_gets_the_number_of_processes(knob: str) -> None:
    assert SERVICES["prepare"]["environment"][PREFIX + knob] == f"${{{knob}:-1}}"
    assert KNOBS[knob] == "1"


@pytest.mark.parametrize(("kind", "count"), [("dataflow", 3), ("consumer", 2)])
def test_the_profile_cluster_adds_processes_with_consecutive_numbers(kind: str, count: int) -> None:
    names = [kind, *(f"{kind}-{number}" for number in range(1, count))]
    assert [name for name in SERVICES if name.startswith(kind)] == names
    for number, name in enumerate(names):
        service = SERVICES[name]
        assert service.get("profiles", []) == ([] if number == 0 else ["cluster"])
        assert service["environment"].get(PREFIX + "PROCESS", 0) == number
    if kind == "dataflow":
        addresses = SERVICES[kind]["environment"][PREFIX + "ADDRESSES"]
        assert addresses == ",".join(f"{name}:2101" for name in names)
