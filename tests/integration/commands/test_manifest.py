"""`rushhour manifest` and `rushhour replay`: what a run was, and the same run again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rushhour.core.clock import Command
from rushhour.core.errors import UsageError
from rushhour.core.timeline import TimelineEntry
from rushhour.simulator.commands.manifest_file import FILE, PREVIOUS_FILE
from rushhour.storage.commands import send
from rushhour.storage.timeline import append_timeline
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.finished_run import Begin, SavedCopy, serve_copy, up_args
from tests.fixtures.redis_server import contents
from tests.fixtures.trips import write_trips
from tests.fixtures.waiting import wait_until

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def manifest(after_run: Rushhour, tmp_path: Path) -> Path:
    """The manifest of the two days, replayed to the end."""
    return Path(shutil.copy(after_run.state_dir / FILE, tmp_path / "manifest.json"))


def changed(manifest: Path, change: Change) -> Path:
    document = json.loads(manifest.read_text())
    change(document)
    path = manifest.with_name("changed.json")
    path.write_text(json.dumps(document))
    return path


def saved(state_dir: Path, directory: Path) -> dict[str, object]:
    directory.mkdir()
    with serve_copy(state_dir, directory) as (_, client):
        return contents(client)


def test_a_run_that_was_stopped_is_repeated_from_its_file(
    cli: Cli, rushhour: Rushhour, begin: Begin, two_days: Path, tmp_path: Path
) -> None:
    running, client = begin("--start-at", "2024-10-01 05:00", "--paused")
    _, stepped = send(client, Command("step", "2h"))
    last = f"{(stepped.target_ts or 0) - 3_600_000}-0"
    wait_until(lambda: client.xrange("city:hourly", last, last), "the step is closed")
    with pytest.raises(UsageError, match="in the past"):
        send(client, Command("until", "2024-10-01"))
    (live,) = cli(rushhour, "manifest", "--json").stdout.splitlines()
    commands = json.loads(live)["commands"]
    assert [each["command"] for each in commands] == ["step", "until"]

    def in_the_file() -> bool:
        return bool(json.loads((rushhour.state_dir / FILE).read_text())["commands"] == commands)

    wait_until(in_the_file, "the file has them too")
    send(client, Command("stop"))
    assert running.end().code == 0
    original = tmp_path / "original.json"
    shutil.copy(rushhour.state_dir / FILE, original)
    assert json.loads(cli(rushhour, "manifest", "--json").stdout) == json.loads(
        original.read_text()
    )
    shown = cli(rushhour, "manifest").words
    assert "ended stopped at 2024-10-01 07:00, 7 of 48 hours closed" in shown
    assert "1 2024-10-01 05:00 step 2h" in shown
    assert "in the past" in shown

    before = saved(rushhour.state_dir, tmp_path / "before")
    moved = tmp_path / "moved.parquet"
    shutil.copy(two_days, moved)
    # Settings of the environment do not count: the manifest says what is replayed.
    env = {
        "RUSHHOUR_SPEED": "1h/s",
        "RUSHHOUR_FROM": "2024-10-02",
        "RUSHHOUR_START_AT": "2024-10-03",
    }
    again = rushhour("replay", rushhour.state_dir / FILE, "--data", moved, "--exit", env=env)
    assert again.code == 0, again.stderr
    assert "3 commands to its clock" in again.stderr
    assert "stopped at 2024-10-01 07:00" in again.stderr
    assert saved(rushhour.state_dir, tmp_path / "after") == before
    assert (rushhour.state_dir / PREVIOUS_FILE).read_text() == original.read_text()
    compared = cli(rushhour, "manifest", original, rushhour.state_dir / FILE, "--json")
    assert compared.code == 0
    differ = {
        each["name"]: each["changes"] for each in map(json.loads, compared.stdout.splitlines())
    }
    assert differ == dict.fromkeys(("source", "file", "speed", "paused"), "nothing")
    repeats = json.loads(cli(rushhour, "manifest", "--json").stdout)["repeats"]
    assert repeats == json.loads(original.read_text())["run"]["run_id"]


COMMAND: dict[str, Any] = {
    "number": 1, "id": "1-0", "command": "pause", "value": "", "error": None,
    "simulated_time": "2024-10-01T00:00:00Z", "simulated_ts": 1_727_740_800_000, "target_ts": None,
}  # fmt: skip
BROKEN: list[tuple[Change, int, str]] = [
    (lambda text: text["versions"].update(rushhour="0.0.1"), 6, "rushhour 0.0.1 instead of"),
    (lambda text: text["versions"].update(numpy="1.0"), 6, "numpy 1.0 instead of"),
    (lambda text: text["versions"].pop("river"), 6, "river - instead of"),
    (lambda text: text["versions"].update(python="2.7.18"), 6, "or repeat it anyway with --any-ve"),
    (lambda text: text["versions"].pop("rushhour"), 3, "is not a manifest: no field 'rushhour'"),
    (lambda text: text.pop("end"), 3, "is not a manifest: Object missing required field `end`"),
    (lambda text: text["run"].pop("sha256"), 3, "is not a manifest: no field 'sha256'"),
    (lambda text: text["run"].update({"from": "soon"}), 3, "is not a manifest"),
    (lambda text: text["run"].update(surge="x"), 3, "is not a manifest"),
    (lambda text: text["end"].update(hours_closed=49), 3, "49 of 48 hours cannot be closed"),
    (lambda text: text["end"].update(simulated_ts=10**18), 3, "is not a manifest"),
    (lambda text: text["run"].update(until="2024-11-05T00"), 2, "is not a span of hours"),
    (lambda text: text["run"].update(dataset="blue"), 2, "dataset 'blue' is invalid"),
    (
        lambda text: text["commands"].append(COMMAND | {"simulated_ts": 5}),
        3,
        "command 1 is outside of the run",
    ),
    (lambda text: text["run"].update(sha256="0" * 64), 3, "is not the trip file of the run"),
    (lambda text: text["run"].update(file="/nowhere/a.parquet"), 3, "say where the trip file"),
    (
        lambda text: (text.update(run={}), text["versions"].update(rushhour="9.0")),
        6,
        "is of rushhour 9.0, and this is",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code", "problem"), BROKEN)
def test_what_cannot_be_repeated_is_one_line(
    cli: Cli, rushhour: Rushhour, manifest: Path, change: Change, code: int, problem: str
) -> None:
    ended = cli(rushhour, "replay", changed(manifest, change))
    assert problem in ended.one_line()
    assert ended.code == code
    assert not (rushhour.state_dir / FILE).exists()


def test_a_file_that_is_no_manifest_is_one_line(
    cli: Cli, rushhour: Rushhour, manifest: Path, two_days: Path, tmp_path: Path
) -> None:
    text = manifest.read_bytes()
    truncated, empty = tmp_path / "truncated.json", tmp_path / "empty.json"
    truncated.write_bytes(text[: len(text) // 2])
    empty.write_bytes(b"")
    for path, problem in (
        (truncated, "is not a manifest: Input data was truncated"),
        (empty, "is not a manifest: Input data was truncated"),
        (two_days, "is not a manifest"),
        (tmp_path, "Is a directory"),
        (tmp_path / "none.json", "No such file or directory: name a manifest"),
    ):
        for command in (("replay", path), ("manifest", path), ("manifest", manifest, path)):
            ended = cli(rushhour, *command)
            assert problem in ended.one_line()
            assert ended.code == 3


def test_another_trip_file_is_refused(
    cli: Cli, rushhour: Rushhour, manifest: Path, tmp_path: Path
) -> None:
    other = write_trips(tmp_path / "other.parquet", [("2024-10-01 00:00:00", 132)])
    ended = cli(rushhour, "replay", manifest, "--data", other)
    assert "is not the trip file of the run: sha256" in ended.one_line()
    assert "1 rows instead of" in ended.one_line()
    assert ended.code == 3
    missing = cli(rushhour, "replay", manifest, "--data", tmp_path / "none.parquet")
    assert "no such file: check --data" in missing.one_line()
    assert missing.code == 3


def test_other_versions_submissions_and_skips_are_warned_about(
    rushhour: Rushhour, manifest: Path
) -> None:
    def change(text: dict[str, Any]) -> None:
        text["versions"]["numpy"] = "1.0"
        text["submissions"]["taken"] = {"mine": 265}
        text["skipped"] = 2
        text["run"]["until"] = "2024-10-01T03"
        text["end"] = text["end"] | {"state": "running", "hours_closed": 1}

    ended = rushhour("replay", changed(manifest, change), "--any-version", "--exit")
    assert ended.code == 0, ended.stderr
    for warning in (
        "the run had numpy 1.0 instead of",
        "the run had 265 submitted predictions, which are no part of its manifest",
        "the run had 2 records passed over",
        "the manifest is of a run under way: it is repeated to its last hour",
    ):
        assert warning in ended.stderr
    assert "hours closed 4 of 4" in ended.words


def test_what_a_manifest_has_not_is_counted(
    cli: Cli, after_run: Rushhour, saved_copy: SavedCopy
) -> None:
    with saved_copy() as (url, client):
        append_timeline(client, [TimelineEntry(5, "5-0", "pause", "", "", 1_727_740_800_000)])
        client.hset("sim:submissions", "models", "mine")
        client.hset("model:submitted:mine", "taken", 265)
        client.hset("quality", "rejected_submissions:late", 3)
        client.hset("sim:skipped", "trips:0:7", "2026-01-01T00:00:00Z")
        client.hincrby("sim:closed", "1", 3_600_000)
        found = json.loads(cli(after_run, "manifest", "--redis", url, "--json").stdout)
        shown = cli(after_run, "manifest", "--redis", url).words
    assert found["commands_left_out"] == 4
    assert found["submissions"] == {"taken": {"mine": 265}, "rejected": {"late": 3}}
    assert (found["skipped"], found["end"]["is_whole"]) == (1, False)
    for words in (
        "4 commands before these, of which 4 were not kept",
        "taken mine: 265; rejected late: 3 no part of the manifest",
        "48 of 48 hours closed, and a part of the next",
        "passed over 1 records",
    ):
        assert words in shown


def test_two_manifests_that_differ_in_the_result_are_named(
    cli: Cli, rushhour: Rushhour, manifest: Path
) -> None:
    same = cli(rushhour, "manifest", manifest, manifest)
    assert (same.code, same.words) == (0, "the manifests do not differ")

    def change(text: dict[str, Any]) -> None:
        text["run"]["surge"] = "132:2.0@2024-10-01 00:00"
        text["options"]["speed"] = "1h/s"
        text["commands"] = [COMMAND]

    ended = cli(rushhour, "manifest", manifest, changed(manifest, change))
    assert ended.code == 7
    assert "1 difference can change the result" in ended.one_line()
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert [line[0] for line in lines[-3:]] == ["surge", "speed", "command"]
    assert "cannot change the result" in ended.words


def test_a_synthetic_run_is_repeated_without_a_file(
    rushhour: Rushhour, two_days: Path, tmp_path: Path
) -> None:
    day = ("--dataset", "green", "--from", "2024-10-01", "--until", "2024-10-01 03:00")
    first = rushhour("up", *day, "--speed", "max", "--exit")
    assert first.code == 0, first.stderr
    before = saved(rushhour.state_dir, tmp_path / "before")
    # A trip file that has come since is not the run's.
    env = {"RUSHHOUR_DATA_DIR": str(two_days.parent)}
    again = rushhour("replay", rushhour.state_dir / FILE, "--exit", env=env)
    assert again.code == 0, again.stderr
    assert "SYNTHETIC" in again.stderr
    assert saved(rushhour.state_dir, tmp_path / "after") == before


def test_a_run_on_a_redis_of_its_own_is_not_replaced_by_another_one(
    cli: Cli, rushhour: Rushhour, manifest: Path, redis_server: Any, client: Any, two_days: Path
) -> None:
    url = ("--redis", redis_server.url)
    args = up_args(two_days, "max", "--surge", "132:2.0@2024-10-01", "--exit", *url)
    assert rushhour(*args).code == 0
    ended = rushhour("replay", manifest, "--exit", *url)
    assert ended.code == 6
    assert "start over with `rushhour replay --new`" in ended.stderr
    assert client.hget("sim:run", "surge")
