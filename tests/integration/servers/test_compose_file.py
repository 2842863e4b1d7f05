"""`docker compose` accepts the compose file."""

import json

import pytest

from tests.fixtures.compose import Compose


@pytest.mark.usefixtures("compose_plugin")
@pytest.mark.parametrize(
    "profiles", [(), ("cluster",), ("monitoring",), ("cluster", "monitoring")], ids=str
)
def test_the_compose_file_is_valid_with_every_profile(profiles: tuple[str, ...]) -> None:
    flags = [part for profile in profiles for part in ("--profile", profile)]
    config = json.loads(Compose()(*flags, "config", "--format", "json"))
    services = set(config["services"])
    assert {"kafka", "redis", "prepare", "producer", "dataflow", "consumer", "report"} <= services
    assert ("dataflow-2" in services) == ("cluster" in profiles)
    assert ("grafana" in services) == ("monitoring" in profiles)
    ports = [port for service in config["services"].values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
