"""The commands that look at a run, or do without one: they change nothing.

`rushhour.simulator.commands.cli` puts them into the `rushhour` command.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from rushhour.core import keys
from rushhour.core.errors import DataError, UsageError, VerificationError
from rushhour.core.settings import Settings
from rushhour.runtime.redis_client import read_hash
from rushhour.simulator.commands.flags import (
    CacheDirFlag,
    DataDirFlag,
    DataFlag,
    DatasetFlag,
    FromFlag,
    MonthFlag,
    RedisFlag,
    StateFlag,
    SurgeFlag,
    UntilFlag,
    check_writable,
    check_zone,
    open_console,
    save_csv,
)
from rushhour.storage.runs import load_run


def status(redis: RedisFlag = None, state_dir: StateFlag = None) -> None:
    """Show where the run stands."""
    from rushhour.simulator.stack.session import open_redis  # noqa: PLC0415
    from rushhour.simulator.terminal.run_view import RunView  # noqa: PLC0415
    from rushhour.simulator.terminal.screens import status_screen  # noqa: PLC0415

    with open_redis(Settings.load(redis=redis, state_dir=state_dir)) as client:
        open_console().print(status_screen(RunView.read(client)))


def zone(
    zone_id: Annotated[int, typer.Argument(help="location id, 1 to 265")],
    redis: RedisFlag = None,
    state_dir: StateFlag = None,
) -> None:
    """Show one zone: its rides, its next prediction, its errors."""
    from rushhour.simulator.stack.session import open_redis  # noqa: PLC0415
    from rushhour.simulator.terminal.inspect_screens import zone_screen  # noqa: PLC0415

    check_zone(zone_id)
    with open_redis(Settings.load(redis=redis, state_dir=state_dir)) as client:
        run = load_run(client)
        open_console().print(zone_screen(run, zone_id, read_hash(client, keys.zone(zone_id))))


def compare(
    from_hour: FromFlag = None,
    until_hour: UntilFlag = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="write the table to this file")] = None,
    redis: RedisFlag = None,
    state_dir: StateFlag = None,
) -> None:
    """Show predictions beside what came: one row for each hour and zone."""
    from rushhour import views  # noqa: PLC0415
    from rushhour.simulator.stack.session import open_redis  # noqa: PLC0415
    from rushhour.simulator.terminal.inspect_screens import comparison_screen  # noqa: PLC0415

    with open_redis(Settings.load(redis=redis, state_dir=state_dir)) as client:
        run = load_run(client)
        table = views.comparison(client, from_hour, until_hour)
    if csv is not None:
        save_csv(table, csv)
    console = open_console()
    console.print(comparison_screen(run, table, console.width))
    if csv is not None:
        console.print(f"{len(table):,} rows written to {csv}", soft_wrap=True)


def models(redis: RedisFlag = None, state_dir: StateFlag = None) -> None:
    """Show how good each model is, the best of the last week first."""
    from rushhour.simulator.stack.session import open_redis  # noqa: PLC0415
    from rushhour.simulator.terminal.inspect_screens import leaderboard  # noqa: PLC0415
    from rushhour.simulator.terminal.run_view import RunView  # noqa: PLC0415

    with open_redis(Settings.load(redis=redis, state_dir=state_dir)) as client:
        snapshot = RunView.read(client)
        open_console().print(leaderboard(snapshot))


def alerts(
    zone_id: Annotated[
        int | None, typer.Option("--zone", help="only those of this location id")
    ] = None,
    last: Annotated[int, typer.Option("--last", help="how many to show")] = 20,
    redis: RedisFlag = None,
    state_dir: StateFlag = None,
) -> None:
    """Show where demand has drifted away from what is predicted."""
    from rushhour import views  # noqa: PLC0415
    from rushhour.simulator.stack.session import open_redis  # noqa: PLC0415
    from rushhour.simulator.terminal.inspect_screens import alerts_screen  # noqa: PLC0415

    if zone_id is not None:
        check_zone(zone_id)
    if last < 1:
        raise UsageError(f"--last {last}: show at least 1 alert")
    with open_redis(Settings.load(redis=redis, state_dir=state_dir)) as client:
        run = load_run(client)
        table = views.alerts(client)
    if zone_id is not None:
        table = table[table["pickup_location_id"] == zone_id]
    open_console().print(alerts_screen(run, table, last, zone_id))


def verify(data: DataFlag = None, redis: RedisFlag = None, state_dir: StateFlag = None) -> None:
    """Recount the file and replay the models offline; the run must be the same."""
    from rushhour.simulator.evaluation.verify import verify as checks  # noqa: PLC0415
    from rushhour.simulator.stack.session import open_redis  # noqa: PLC0415

    console = open_console()
    failed = 0
    marks = {"ok": Text("ok  ", "green"), "note": Text("note"), "fail": Text("FAIL", "red")}
    with open_redis(Settings.load(redis=redis, state_dir=state_dir)) as client:
        run = load_run(client)
        file = data or (None if run.synthetic else Path(run.file))
        if file is not None and not file.is_file():
            raise DataError(f"{file}: no such file: name the run's trip file with --data")
        for check in checks(client, run, file):
            console.print(marks[check.status], f"{check.name}: {check.detail}", soft_wrap=True)
            failed += not check.passed
    if failed:
        raise VerificationError(f"{failed} checks failed: the run is not what the file says")


def backtest(
    dataset: DatasetFlag = None,
    month: MonthFlag = None,
    from_hour: FromFlag = None,
    until_hour: UntilFlag = None,
    surge: SurgeFlag = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="TLC Parquet file, or one of hourly rides")
    ] = None,
    data_dir: DataDirFlag = None,
    cache_dir: CacheDirFlag = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="a made-up month, as without a file")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="write every prediction to this file")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="draw a zone's week to this PNG file")
    ] = None,
    zone_id: Annotated[
        int | None, typer.Option("--zone", help="location id to draw; the busiest if not given")
    ] = None,
) -> None:
    """Replay the models offline over a month, without Kafka and Redis, and score them."""
    from rushhour.simulator.commands.backtest import backtest as run_backtest  # noqa: PLC0415

    if zone_id is not None:
        check_zone(zone_id)
        if plot is None:
            raise UsageError(f"--zone {zone_id} is the zone to draw: give --plot FILE.png too")
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"{plot}: is not named like a PNG file: choose a --plot that ends in .png")
    for path, flag in ((csv, "--csv"), (plot, "--plot")):
        if path is not None:
            check_writable(path, flag)
    flags = {
        "dataset": dataset,
        "month": month,
        "from_hour": from_hour,
        "until_hour": until_hour,
        "surge": surge,
        "data": data,
        "data_dir": data_dir,
        "cache_dir": cache_dir,
    }
    run_backtest(
        open_console(), flags, synthetic=synthetic, csv=csv, plot=plot, plotted_zone=zone_id
    )
