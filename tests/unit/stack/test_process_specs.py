import pytest

from rushhour.core.run import RunInfo
from rushhour.simulator.stack.process_specs import process_specs
from tests.fixtures.settings import SettingsFactory


def shared_by(dataflows: int, consumers: int) -> RunInfo:
    return RunInfo("id", "green", "2024-10", "a", "/a", 0, 3_600_000, dataflows, consumers)


def test_a_line_is_three_processes_unless_more_are_wanted(settings: SettingsFactory) -> None:
    line = process_specs(settings(), shared_by(1, 1))
    assert [(member.name, member.module) for member in line] == [
        ("producer", "producers"),
        ("dataflow", "dataflows"),
        ("consumer", "consumers"),
    ]
    assert [member.settings.process for member in line] == [0, 0, 0]
    assert {member.settings.addresses for member in line} == {""}
    assert {member.settings.metrics_port for member in line} == {None}


def test_processes_that_share_the_work_are_numbered_from_0(settings: SettingsFactory) -> None:
    line = process_specs(settings(), shared_by(3, 2))
    assert [(member.name, member.module, member.settings.process) for member in line] == [
        ("producer", "producers", 0),
        ("dataflow-0", "dataflows", 0),
        ("dataflow-1", "dataflows", 1),
        ("dataflow-2", "dataflows", 2),
        ("consumer-0", "consumers", 0),
        ("consumer-1", "consumers", 1),
    ]


@pytest.mark.parametrize("dataflows", [2, 5])
def test_all_processes_of_a_cluster_are_told_the_same_addresses(
    settings: SettingsFactory, dataflows: int
) -> None:
    line = process_specs(settings(), shared_by(dataflows, 1))
    (addresses,) = {m.settings.addresses for m in line if m.module == "dataflows"}
    hosts, ports = zip(*(each.split(":") for each in addresses.split(",")), strict=True)
    assert hosts == ("127.0.0.1",) * dataflows
    assert len(set(ports)) == dataflows
    assert all(0 < int(port) < 65_536 for port in ports)


def test_each_process_serves_its_metrics_on_a_port_of_its_own(settings: SettingsFactory) -> None:
    line = process_specs(settings(metrics_port=9_100), shared_by(2, 2))
    assert [(member.name, member.settings.metrics_port) for member in line] == [
        ("producer", 9_100),
        ("dataflow-0", 9_101),
        ("dataflow-1", 9_102),
        ("consumer-0", 9_103),
        ("consumer-1", 9_104),
    ]


def test_all_other_settings_are_those_of_the_line(settings: SettingsFactory) -> None:
    given = settings(speed="1h/s", kafka="k:1", redis="redis://r", workers=3, metrics_port=9_100)
    own = {"process", "addresses", "metrics_port"}
    for member in process_specs(given, shared_by(2, 2)):
        assert member.settings.model_dump(exclude=own) == given.model_dump(exclude=own)


def test_no_part_lingers_because_up_waits_for_their_end(settings: SettingsFactory) -> None:
    line = process_specs(settings(stay_alive=True), shared_by(2, 2))
    assert [member.settings.stay_alive for member in line] == [False] * 5
