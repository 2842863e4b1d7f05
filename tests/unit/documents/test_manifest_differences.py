"""What two manifests differ in, and whether it can change the result."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from rushhour.core.run import RunInfo
from rushhour.simulator.commands.repeat import schedule_of
from rushhour.simulator.documents.manifest import Manifest
from rushhour.simulator.documents.manifest_differences import differences
from rushhour.simulator.documents.objects import (
    Hour,
    ManifestCommand,
    RunEnd,
    SubmissionCounts,
)
from tests.fixtures.manifests import START, manifest_of

HOUR = 3_600_000
MANIFEST = manifest_of()
Change = Callable[[Manifest], Manifest]


def with_run(name: str, value: str | int) -> Change:
    return lambda manifest: replace(manifest, run=manifest.run | {name: value})


def with_version(name: str, value: str) -> Change:
    return lambda manifest: replace(manifest, versions=manifest.versions | {name: value})


def with_end(**changes: Any) -> Change:
    return lambda manifest: replace(manifest, end=replace(manifest.end, **changes))


CASES: list[tuple[Change, dict[str, str]]] = [
    (lambda manifest: manifest, {}),
    (with_run("run_id", "other"), {}),
    (with_run("file", "/elsewhere/a.parquet"), {"file": "nothing"}),
    (with_run("consumers", 3), {"consumers": "nothing"}),
    (with_run("sha256", "9" * 64), {"sha256": "result"}),
    (with_run("rows", 8), {"rows": "result"}),
    (with_run("surge", "132:2@2024-10-02 00:00"), {"surge": "result"}),
    (with_run("until", "2024-10-01T03"), {"until": "result"}),
    (with_run("models", "served"), {"models": "result"}),
    (with_version("numpy", "3.0"), {"numpy": "result"}),
    (with_version("machine", "aarch64"), {"machine": "result"}),
    (with_version("python", "3.11.99"), {"python": "nothing"}),
    (with_version("python", "3.12.1"), {"python": "result"}),
    (with_end(hours_closed=4), {"end": "result"}),
    (with_end(is_whole=False), {"end": "result"}),
    (with_end(simulated_ts=START + 1), {}),
    (lambda manifest: replace(manifest, skipped=1), {"skipped records": "result"}),
    (
        lambda manifest: replace(
            manifest, submissions=SubmissionCounts(taken={"mine": 3}, rejected={"late": 1})
        ),
        {"submissions taken": "submissions", "submissions rejected": "submissions"},
    ),
    (lambda manifest: replace(manifest, options={"speed": "1h/s"}), {"speed": "nothing"}),
    (lambda manifest: replace(manifest, commands=[]), {"command 1": "nothing"}),
]


@pytest.mark.parametrize(("change", "expected"), CASES)
def test_each_difference_is_named_once(change: Change, expected: dict[str, str]) -> None:
    other = change(MANIFEST)
    for first, second in ((MANIFEST, other), (other, MANIFEST)):
        found = list(differences(first, second))
        assert {each.name: each.changes for each in found} == expected
        assert all(each.first != each.second for each in found)


def test_every_field_of_a_manifest_has_a_case() -> None:
    changed = {
        name
        for change, _ in CASES
        for name in Manifest.__struct_fields__
        if getattr(change(MANIFEST), name) != getattr(MANIFEST, name)
    }
    # Whom a run repeats is no difference; what is left out shows in the commands.
    assert changed == set(Manifest.__struct_fields__) - {"repeats", "commands_left_out"}


def test_a_manifest_is_read_back_as_written() -> None:
    text = msgspec.json.encode(MANIFEST)
    assert msgspec.json.decode(text, type=Manifest) == MANIFEST
    run = MANIFEST.run_info
    assert isinstance(run, RunInfo)
    assert run.to_fields() == {**MANIFEST.run, "version": MANIFEST.versions["rushhour"]}


@pytest.mark.parametrize(
    ("state", "closed", "now", "stop_at"),
    [
        ("finished", 5, 5 * HOUR, None),
        ("running", 2, 2 * HOUR, None),
        ("stopped", 5, 5 * HOUR, None),
        ("stopped", 2, 2 * HOUR, START + 2 * HOUR),
        ("stopped", 2, 2 * HOUR + 7, START + 2 * HOUR + 7),
        ("stopped", 2, 4 * HOUR + 7, START + 2 * HOUR),  # interrupted
        ("stopped", 0, 3 * HOUR, START),
    ],
)
def test_a_repetition_ends_where_the_run_did(
    state: str, closed: int, now: int, stop_at: int | None
) -> None:
    end = RunEnd(
        state=state,
        simulated_ts=START + now,
        last_closed=Hour(pickup_hour=None, pickup_ts=None),
        hours_closed=closed,
        is_whole=True,
    )
    schedule = schedule_of(replace(MANIFEST, end=end))
    assert schedule.stop_at == stop_at
    assert isinstance(MANIFEST.commands[0], ManifestCommand)
    assert [each.id for each in schedule.entries] == [each.id for each in MANIFEST.commands]
