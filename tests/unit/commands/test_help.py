"""Help of the commands: complete, from the declarations of the settings, and quick."""

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from rushhour.core.settings import Settings
from rushhour.simulator.commands.cli import app
from rushhour.simulator.commands.signatures.parameters import EVERY_FLAG

COMMANDS = (
    "up", "replay", "prepare", "watch", "step", "until", "seek", "speed", "pause", "resume", "stop",
    "submit", "ack", "skip", "status", "now", "models", "zone", "compare", "alerts", "report",
    "export", "dead-letters", "verify", "manifest", "model", "doctor", "redis", "web", "backtest",
    "download", "config",
)  # fmt: skip
HEAVY = {"numpy", "pandas", "redis", "rich", "river", "bytewax", "confluent_kafka", "httpx"}
HEAVY |= {"starlette", "uvicorn"}


def help_of(*args: str) -> str:
    shown = CliRunner().invoke(app, [*args, "-h"], env={"COLUMNS": "100"})
    assert shown.exit_code == 0
    return " ".join(shown.output.split())


def test_help_lists_every_command_once_and_whole() -> None:
    listed = CliRunner().invoke(app, ["--help"]).output
    assert re.findall(r"^  ([\w-]+) {2,}\w", listed.partition("Run:")[2], re.M) == list(COMMANDS)
    assert "..." not in listed.partition("Run:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_json_and_quiet(command: str) -> None:
    shown = help_of(command)
    assert "--json" in shown
    assert "-q, --quiet" in shown


@pytest.mark.parametrize("name", EVERY_FLAG)
def test_a_flag_shows_what_its_setting_declares(name: str) -> None:
    declared = Settings.declaration(name)
    default = f", default {declared.default}" if declared.default else ""
    expected = f"{declared.description} [{declared.env}{default}]"
    for command in ("up", "config"):
        shown = help_of(command)
        value = "" if Settings.model_fields[name].annotation is bool else "<"
        assert f"{declared.flag} {value}" in shown
        assert " ".join(expected.split()) in shown


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv[1:] = ['up', '--help']\n"
        "from rushhour.simulator.__main__ import run\n"
        "try: run()\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', *sorted({HEAVY!r} & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "HEAVY", ended.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_offered(shell: str) -> None:
    environment = {
        "_RUSHHOUR_COMPLETE": f"source_{shell}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    shown = CliRunner().invoke(app, [], env=environment, prog_name="rushhour")
    assert "_RUSHHOUR_COMPLETE" in shown.output


def test_completion_knows_commands_and_choices() -> None:
    environment = {
        "_RUSHHOUR_COMPLETE": "complete_bash",
        "COMP_WORDS": "rushhour up --dataset ",
        "COMP_CWORD": "3",
    }
    shown = CliRunner().invoke(app, [], env=environment, prog_name="rushhour")
    assert shown.output.split() == ["yellow", "green"]
