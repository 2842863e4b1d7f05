"""The variables of `.env` reach the settings through `docker-compose.yml`."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rushhour.core.settings import PREFIX, Settings

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
VARIABLES = dict(
    line.split("=", 1)
    for line in (ROOT / ".env").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)


def test_env_and_compose_have_the_same_variables() -> None:
    assert set(re.findall(r"\$\{(\w+)", COMPOSE)) == set(VARIABLES)
    assert {"SPEED", "DATASET", "MONTH", "FROM", "UNTIL", "PARTITIONS"} <= set(VARIABLES)


def test_every_variable_has_a_default() -> None:
    assert re.findall(r"\$\{\w+(?!\w|:-)", COMPOSE) == []


def test_the_variables_of_the_containers_are_settings() -> None:
    known = {Settings.env_name(field) for field in Settings.model_fields}
    given = {name for service in SERVICES.values() for name in service.get("environment", {})}
    assert {name for name in given if name.startswith(PREFIX)} - known == set()


@pytest.mark.parametrize("variable", ["DATASET", "MONTH", "FROM", "UNTIL", "SURGE", "PARTITIONS"])
def test_prepare_gets_the_data_of_the_run(variable: str) -> None:
    assert SERVICES["prepare"]["environment"][PREFIX + variable] == f"${{{variable}:-}}"


@pytest.mark.parametrize("variable", ["DATAFLOWS", "CONSUMERS"])
def test_prepare_gets_the_number_of_processes(variable: str) -> None:
    assert SERVICES["prepare"]["environment"][PREFIX + variable] == f"${{{variable}:-1}}"
    assert VARIABLES[variable] == "1"


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
