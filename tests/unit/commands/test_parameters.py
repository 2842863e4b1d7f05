"""Flags are generated from the settings: names, types, and what the command receives."""

from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.signatures.parameters import with_settings

Received = dict[str, Any]


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> tuple[typer.Typer, Received]:
    """An application of one command, and what that command was last called with."""
    monkeypatch.setenv("RUSHHOUR_MONTH", "2024-09")
    monkeypatch.setenv("RUSHHOUR_DATA", "/from/the/environment")
    app = typer.Typer()
    calls: Received = {}

    @app.command()
    @with_settings("dataset", "month", "workers", own_flags=("data",))
    def command(
        settings: Settings,
        flags: dict[str, Any],
        output: Output,
        place: Annotated[str, typer.Argument()],
        loud: Annotated[bool, typer.Option("--loud")] = False,
    ) -> None:
        calls.update(settings=settings, flags=flags, output=output, place=place, loud=loud)

    return app, calls


def test_a_flag_wins_over_the_environment_and_that_over_the_default(
    received: tuple[typer.Typer, Received],
) -> None:
    app, calls = received
    assert CliRunner().invoke(app, ["here", "--workers", "3"]).exit_code == 0
    settings = calls["settings"]
    assert (settings.workers, settings.month, settings.dataset) == (3, "2024-09", "yellow")
    assert calls["flags"] == {"workers": "3", "month": None, "dataset": None, "data": None}
    assert (calls["place"], calls["loud"]) == ("here", False)


def test_an_own_flag_is_not_loaded(
    received: tuple[typer.Typer, Received],
) -> None:
    app, calls = received
    assert CliRunner().invoke(app, ["here", "--data", "a.parquet", "--loud"]).exit_code == 0
    assert calls["flags"]["data"] == Path("a.parquet")
    assert calls["settings"].data == Path("/from/the/environment")
    assert calls["loud"] is True


def test_json_and_quiet_reach_the_output(received: tuple[typer.Typer, Received]) -> None:
    app, calls = received
    CliRunner().invoke(app, ["here", "--json"])
    assert (calls["output"].as_json, calls["output"].quiet) == (True, False)
    CliRunner().invoke(app, ["here", "-q"])
    assert (calls["output"].as_json, calls["output"].quiet) == (False, True)


def test_the_help_of_an_own_flag_names_no_environment(
    received: tuple[typer.Typer, Received],
) -> None:
    shown = CliRunner().invoke(received[0], ["--help"]).output
    assert "--data" in shown
    assert "RUSHHOUR_DATA]" not in shown
    assert "RUSHHOUR_DATASET" in shown
    assert "RUSHHOUR_MONTH" in shown


def test_a_setting_without_a_flag_cannot_become_one() -> None:
    with pytest.raises(AssertionError, match="process has no flag"):

        @with_settings("process")
        def command() -> None: ...
