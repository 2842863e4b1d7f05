"""The `rushhour` command. Each command is a few lines over the modules beside this one.

Those that run something are here, those that look at it in `rushhour.simulator.commands.inspect`.

Exit codes: 0 done, 1 a defect, 2 usage, 3 data, 4 Kafka, 5 Redis, 6 a part died,
7 verification failed, 130 stopped by Ctrl-C.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the dataflow: see dataflows.__main__
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from rushhour.core.clock import Command, CommandName
from rushhour.core.errors import RushhourError
from rushhour.core.settings import Settings
from rushhour.simulator.commands.flags import (
    CacheDirFlag,
    ConsumersFlag,
    DataDirFlag,
    DataFlag,
    DataflowsFlag,
    DatasetFlag,
    FromFlag,
    KafkaFlag,
    MonthFlag,
    RedisFlag,
    StateFlag,
    SurgeFlag,
    UntilFlag,
    open_console,
)
from rushhour.simulator.commands.inspect import (
    alerts,
    backtest,
    compare,
    models,
    status,
    verify,
    zone,
)

app = typer.Typer(
    name="rushhour",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        open_console().print(f"rushhour {version('rushhour')}")
        raise typer.Exit


@app.callback()
def main(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="show the version and exit", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Replay New York taxi trips as a live stream; forecast each zone's next hour, and score it."""


@app.command()
def up(
    dataset: DatasetFlag = None,
    month: MonthFlag = None,
    from_hour: FromFlag = None,
    until_hour: UntilFlag = None,
    surge: SurgeFlag = None,
    speed: Annotated[
        str | None, typer.Option("--speed", help="max, a factor such as 3600, or 6h/s, 30m/s")
    ] = None,
    data: DataFlag = None,
    data_dir: DataDirFlag = None,
    cache_dir: CacheDirFlag = None,
    redis: RedisFlag = None,
    kafka: KafkaFlag = None,
    redis_port: Annotated[
        int | None, typer.Option("--redis-port", help="port of the embedded Redis")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Bytewax worker threads")] = None,
    dataflows: DataflowsFlag = None,
    consumers: ConsumersFlag = None,
    ahead_hours: Annotated[
        int | None,
        typer.Option("--ahead-hours", help="simulated hours the replay may run ahead of Redis"),
    ] = None,
    state_dir: StateFlag = None,
    exit_at_end: Annotated[
        bool, typer.Option("--exit", help="exit after the report, on a terminal too")
    ] = False,
) -> None:
    """Start everything, replay the month, and report."""
    from rushhour.simulator.commands.up import up as run_up  # noqa: PLC0415 - heavy imports only message_position needed

    settings = Settings.load(
        dataset=dataset,
        month=month,
        from_hour=from_hour,
        until_hour=until_hour,
        surge=surge,
        speed=speed,
        data=data,
        data_dir=data_dir,
        cache_dir=cache_dir,
        redis=redis,
        kafka=kafka,
        redis_port=redis_port,
        workers=workers,
        dataflows=dataflows,
        consumers=consumers,
        ahead_hours=ahead_hours,
        state_dir=state_dir,
    )
    console = open_console()
    run_up(settings, console, stay=console.is_terminal and not exit_at_end)


@app.command()
def prepare(
    dataset: DatasetFlag = None,
    month: MonthFlag = None,
    from_hour: FromFlag = None,
    until_hour: UntilFlag = None,
    surge: SurgeFlag = None,
    data: DataFlag = None,
    data_dir: DataDirFlag = None,
    cache_dir: CacheDirFlag = None,
    redis: RedisFlag = None,
    kafka: KafkaFlag = None,
    dataflows: DataflowsFlag = None,
    consumers: ConsumersFlag = None,
    restart: Annotated[
        bool, typer.Option("--new", help="start over, even if this run is there already")
    ] = False,
) -> None:
    """Make your own Kafka and Redis ready for a run whose parts you start yourself."""
    from rushhour.simulator.commands.prepare import prepare_run  # noqa: PLC0415

    settings = Settings.load(
        dataset=dataset,
        month=month,
        from_hour=from_hour,
        until_hour=until_hour,
        surge=surge,
        data=data,
        data_dir=data_dir,
        cache_dir=cache_dir,
        redis=redis,
        kafka=kafka,
        dataflows=dataflows,
        consumers=consumers,
    )
    prepare_run(settings, open_console(), restart=restart)


@app.command()
def watch(redis: RedisFlag = None, state_dir: StateFlag = None) -> None:
    """Show a run to its end, and report."""
    from rushhour.simulator.commands.interrupts import deferred  # noqa: PLC0415
    from rushhour.simulator.commands.watch import watch as follow  # noqa: PLC0415
    from rushhour.simulator.stack.session import open_live_redis  # noqa: PLC0415

    with (
        deferred() as interrupts,
        open_live_redis(Settings.load(redis=redis, state_dir=state_dir)) as client,
    ):
        follow(client, open_console(), interrupts)


@app.command()
def speed(
    value: Annotated[str, typer.Argument(help="max, a factor such as 3600, or 6h/s, 30m/s")],
    redis: RedisFlag = None,
    state_dir: StateFlag = None,
) -> None:
    """Change the speed of the replay."""
    _command("speed", value, redis, state_dir)


@app.command()
def pause(redis: RedisFlag = None, state_dir: StateFlag = None) -> None:
    """Stop the simulated clock."""
    _command("pause", "", redis, state_dir)


@app.command()
def resume(redis: RedisFlag = None, state_dir: StateFlag = None) -> None:
    """Let the simulated clock run again."""
    _command("resume", "", redis, state_dir)


@app.command()
def download(
    dataset: DatasetFlag = None, month: MonthFlag = None, cache_dir: CacheDirFlag = None
) -> None:
    """Download the official file of a month into the cache."""
    from producers.datasets import official_file  # noqa: PLC0415
    from producers.download import download as fetch  # noqa: PLC0415
    from rushhour.simulator.commands.up import download_progress  # noqa: PLC0415

    settings = Settings.load(dataset=dataset, month=month, cache_dir=cache_dir)
    console = open_console()
    with download_progress(console, settings) as advance:
        path = fetch(official_file(settings.dataset, settings.month), settings.cache_dir, advance)
    console.print(f"{path} ({path.stat().st_size:,} bytes)", soft_wrap=True)


@app.command()
def config(
    dataset: DatasetFlag = None,
    month: MonthFlag = None,
    from_hour: FromFlag = None,
    until_hour: UntilFlag = None,
    surge: SurgeFlag = None,
    data: DataFlag = None,
    redis: RedisFlag = None,
    state_dir: StateFlag = None,
) -> None:
    """Show each setting, its value, and where the value came from."""
    flags: dict[str, Any] = {
        "dataset": dataset,
        "month": month,
        "from_hour": from_hour,
        "until_hour": until_hour,
        "surge": surge,
        "data": data,
        "redis": redis,
        "state_dir": state_dir,
    }
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("setting", "value", "from", "environment variable"):
        table.add_column(column, overflow="fold")
    for origin in Settings.load(**flags).origins(flags):
        table.add_row(origin.name, origin.value or "-", origin.origin, origin.env)
    open_console().print(table)


def _command(name: CommandName, value: str, redis: str | None, state_dir: Path | None) -> None:
    from rushhour.core.hours import clock_label  # noqa: PLC0415
    from rushhour.simulator.commands.controls import give  # noqa: PLC0415
    from rushhour.simulator.stack.session import open_live_redis  # noqa: PLC0415

    command = Command(name, value)
    with open_live_redis(Settings.load(redis=redis, state_dir=state_dir)) as client:
        clock = give(client, command)
    open_console().print(f"{clock.state} at {clock.speed}, simulated {clock_label(clock.now_ts)}")


for _look in (status, zone, compare, models, alerts, verify, backtest):
    app.command()(_look)


def run() -> None:
    """Run the command line; a user's mistake is one line on stderr and an exit code."""
    try:
        app()
    except RushhourError as error:
        print(f"rushhour: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
