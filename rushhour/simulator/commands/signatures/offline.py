"""Declares the commands that need no run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rushhour.core.errors import UsageError
from rushhour.core.settings import Settings
from rushhour.simulator.commands.checks import check_writable, check_zone
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.signatures.parameters import EVERY_FLAG, TRIPS, with_settings


@with_settings(*TRIPS, "warm_start", "horizons")
def backtest(  # noqa: PLR0913, PLR0917 - each is a flag
    flags: dict[str, Any],
    output: Output,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="replay a synthetic month instead of a file")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="write every prediction to this file")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="draw a zone's last week to this PNG file")
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="save what the models have learned to this file")
    ] = None,
    zone_id: Annotated[
        int | None, typer.Option("--zone", help="location id to draw, else the busiest zone")
    ] = None,
) -> None:
    """Score the models over a month offline, without Kafka and Redis."""
    from rushhour.simulator.commands.backtest import Files
    from rushhour.simulator.commands.backtest import backtest as replay

    if zone_id is not None:
        check_zone(zone_id)
        if plot is None:
            raise UsageError(f"--zone {zone_id} is the zone to draw: give --plot FILE.png too")
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"{plot}: not a PNG file name: choose a --plot that ends in .png")
    for path, flag in ((csv, "--csv"), (plot, "--plot"), (save, "--save")):
        if path is not None:
            check_writable(path, flag)
    files = Files(csv, plot, save)
    replay(output, flags, files, synthetic=synthetic, plotted_zone=zone_id)


@with_settings("dataset", "month", "cache_dir")
def download(settings: Settings, output: Output) -> None:
    """Download the official trip file of each month into the cache."""
    from rushhour.simulator.commands.download import download as fetch

    fetch(settings, output)


@with_settings(*EVERY_FLAG)
def config(settings: Settings, flags: dict[str, Any], output: Output) -> None:
    """Show each setting, its value, and where the value came from."""
    from rushhour.simulator.commands.config import show_config

    show_config(settings, flags, output)
