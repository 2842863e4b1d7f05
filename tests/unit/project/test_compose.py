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


def test_the_variables_of_the_containers_are_settings() -> None:
    known = {Settings.env_name(field) for field in Settings.model_fields}
    given = {name for service in SERVICES.values() for name in service.get("environment", {})}
    assert {name for name in given if name.startswith(PREFIX)} - known == set()


@pytest.mark.parametrize("knob", ["DATASET", "MONTH", "FROM", "UNTIL", "SURGE", "PARTITIONS"])
def test_what_is_replayed_is_told_to_the_service_that_prepares(knob: str) -> None:
    assert SERVICES["prepare"]["environment"][PREFIX + knob] == f"${{{knob}:-}}"
