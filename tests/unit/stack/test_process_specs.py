import pytest

from rushhour.core.run import RunInfo
from rushhour.simulator.stack.process_specs import process_specs
from tests.fixtures.settings import SettingsFactory


def shared_by(dataflows: int, consumers: int) -> RunInfo:
    return RunInfo("id", "green", "2024-10", "a", "/a", 0, 3_600_000, dataflows, consumers)


def test_a_pipeline_has_three_processes_by_default(settings: SettingsFactory) -> None:
    specs = process_specs(settings(), shared_by(1, 1))
    assert [(spec.name, spec.module) for spec in specs] == [
        ("producer", "producers"),
        ("dataflow", "dataflows"),
        ("consumer", "consumers"),
    ]
    assert [spec.settings.process for spec in specs] == [0, 0, 0]
    assert {spec.settings.addresses for spec in specs} == {""}
    assert {spec.settings.metrics_port for spec in specs} == {None}


def test_processes_that_share_the_work_are_numbered_from_0(settings: SettingsFactory) -> None:
    specs = process_specs(settings(), shared_by(3, 2))
    assert [(spec.name, spec.module, spec.settings.process) for spec in specs] == [
        ("producer", "producers", 0),
        ("dataflow-0", "dataflows", 0),
        ("dataflow-1", "dataflows", 1),
        ("dataflow-2", "dataflows", 2),
        ("consumer-0", "consumers", 0),
        ("consumer-1", "consumers", 1),
    ]


@pytest.mark.parametrize("dataflows", [2, 5])
def test_all_processes_of_a_cluster_get_the_same_addresses(
    settings: SettingsFactory, dataflows: int
) -> None:
    specs = process_specs(settings(), shared_by(dataflows, 1))
    (addresses,) = {m.settings.addresses for m in specs if m.module == "dataflows"}
    hosts, ports = zip(*(each.split(":") for each in addresses.split(",")), strict=True)
    assert hosts == ("127.0.0.1",) * dataflows
    assert len(set(ports)) == dataflows
    assert all(0 < int(port) < 65_536 for port in ports)


def test_each_process_serves_its_metrics_on_a_port_of_its_own(settings: SettingsFactory) -> None:
    specs = process_specs(settings(metrics_port=9_100), shared_by(2, 2))
    assert [(spec.name, spec.settings.metrics_port) for spec in specs] == [
        ("producer", 9_100),
        ("dataflow-0", 9_101),
        ("dataflow-1", 9_102),
        ("consumer-0", 9_103),
        ("consumer-1", 9_104),
    ]


def test_all_other_settings_are_shared(settings: SettingsFactory) -> None:
    given = settings(speed="1h/s", kafka="k:1", redis="redis://r", workers=3, metrics_port=9_100)
    own = {"process", "addresses", "metrics_port", "can_start_over"}
    for spec in process_specs(given, shared_by(2, 2)):
        assert spec.settings.model_dump(exclude=own) == given.model_dump(exclude=own)
        assert spec.settings.can_start_over


def test_no_process_stays_alive_because_up_waits_for_their_end(settings: SettingsFactory) -> None:
    specs = process_specs(settings(stay_alive=True), shared_by(2, 2))
    assert [spec.settings.stay_alive for spec in specs] == [False] * 5
