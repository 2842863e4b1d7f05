"""The variables of `.env` reach the settings through `docker-compose.yml`."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rushhour.core.settings import PREFIX, WEB_PORT, Settings

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


@pytest.mark.parametrize(
    "variable",
    ["DATASET", "MONTH", "FROM", "UNTIL", "SURGE", "LOOP", "KEEP", "REBASE", "WARM_START"],
)
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


def test_servers_and_processes_are_started_again_for_ever() -> None:
    """Also after a restart of the Docker engine, and however long Redis or Kafka was away."""
    once = {"prepare", "report", "pipeline"}
    policies = {name: service.get("restart") for name, service in SERVICES.items()}
    assert {policies[name] for name in SERVICES if name not in once} == {"unless-stopped"}
    assert policies["prepare"] is None
    assert policies["report"] == "on-failure"  # not after it has printed the report
    assert policies["pipeline"] == "on-failure"  # not after the run


def test_the_example_of_a_pipeline_is_a_profile_and_gets_the_gate_that_it_acknowledges() -> None:
    pipeline = SERVICES["pipeline"]
    assert pipeline["profiles"] == ["pipeline"]
    script = pipeline["command"][1].removeprefix("/")
    assert (ROOT / script).exists()
    assert pipeline["volumes"] == ["./examples:/examples:ro"]
    assert "GATE=pipeline docker compose --profile pipeline up" in COMPOSE
    assert pipeline["command"][2:4] == ["--gate", "pipeline"]
    for name in ("prepare", "producer"):
        assert SERVICES[name]["environment"][PREFIX + "GATE"] == "${GATE:-}"


@pytest.mark.parametrize("variable", ["START_AT", "PAUSED"])
def test_where_the_clock_begins_reaches_the_producer_and_is_checked_before(variable: str) -> None:
    assert variable in VARIABLES
    for name in ("prepare", "producer"):
        assert SERVICES[name]["environment"][PREFIX + variable] == f"${{{variable}:-}}"


@pytest.mark.parametrize("kind", ["producer", "dataflow", "consumer"])
def test_a_process_whose_work_is_done_stays_up(kind: str) -> None:
    for name in (name for name in SERVICES if name.startswith(kind)):
        assert SERVICES[name]["environment"][PREFIX + "STAY_ALIVE"] == "true"


@pytest.mark.parametrize("kind", ["producer", "dataflow", "consumer"])
def test_a_process_is_healthy_when_it_is_ready(kind: str) -> None:
    assert "9100/readyz" in SERVICES[kind]["healthcheck"]["test"][-1]


def test_grafana_has_no_user_and_no_password() -> None:
    settings = SERVICES["grafana"]["environment"]
    assert settings["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert settings["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert settings["GF_AUTH_BASIC_ENABLED"] == "false"
    assert settings["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_images_are_named_by_their_version() -> None:
    images = {service["image"] for service in SERVICES.values()} - {"rushhour"}
    assert len(images) == 4
    assert all(re.fullmatch(r"[\w/-]+:v?\d+(\.\d+)+", image) for image in images)


def test_ports_are_published_on_this_machine_only_and_that_of_bytewax_nowhere() -> None:
    """Bytewax exchanges pickles: whoever reaches its port can run code."""
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert published["redis"]
    assert all(port.startswith("127.0.0.1:") for found in published.values() for port in found)
    assert not any(found for name, found in published.items() if name.startswith("dataflow"))


def test_the_pages_are_on_the_usual_port_and_read_only_without_a_token() -> None:
    web = SERVICES["web"]
    assert web["command"] == ["rushhour", "web"]
    assert web["environment"][PREFIX + "WEB_PORT"] == WEB_PORT
    assert web["ports"] == [f"127.0.0.1:${{WEB_PORT:-{WEB_PORT}}}:{WEB_PORT}"]
    assert (VARIABLES["WEB_PORT"], VARIABLES["WEB_TOKEN"]) == (str(WEB_PORT), "")
    assert "prepare" not in web["depends_on"]  # without a run they explain
