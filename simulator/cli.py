"""The `rushhour` command. Each command is a few lines over the modules beside this one.

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
from rich.console import Console
from rich.table import Table
from rich.text import Text

from core import keys
from core.commands import Command, Name
from core.errors import DataError, RushhourError, UsageError, VerificationError
from core.redis_client import read_hash
from core.run import RunInfo
from core.settings import Settings
from core.zones import FIRST_ZONE, LAST_ZONE

app = typer.Typer(
    name="rushhour",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DatasetFlag = Annotated[str | None, typer.Option("--dataset", help="yellow or green")]
MonthFlag = Annotated[str | None, typer.Option("--month", help="month, such as 2024-10")]
FromFlag = Annotated[str | None, typer.Option("--from", help="first hour, such as '2024-10-02'")]
UntilFlag = Annotated[
    str | None, typer.Option("--until", help="last hour, included; a date means all of that day")
]
SurgeFlag = Annotated[
    str | None,
    typer.Option("--surge", help="what if: multiply a zone's trips, such as 132:2.0@2024-10-20"),
]
DataFlag = Annotated[Path | None, typer.Option("--data", help="TLC Parquet file to read")]
DataDirFlag = Annotated[
    Path | None, typer.Option("--data-dir", help="directory to look for TLC files in")
]
CacheDirFlag = Annotated[
    Path | None, typer.Option("--cache-dir", help="directory where downloads are kept")
]
RedisFlag = Annotated[str | None, typer.Option("--redis", help="Redis URL, if not the embedded")]
KafkaFlag = Annotated[
    str | None, typer.Option("--kafka", help="bootstrap servers, if not the embedded")
]
StateFlag = Annotated[
    Path | None, typer.Option("--state-dir", help="where the embedded run keeps its data")
]
DataflowsFlag = Annotated[
    int | None, typer.Option("--dataflows", help="dataflow processes that share the run")
]
ConsumersFlag = Annotated[
    int | None, typer.Option("--consumers", help="consumers that share the run")
]


def _console() -> Console:
    return Console(highlight=False, markup=False)  # file names may hold brackets


def _print_version(wanted: bool) -> None:
    if wanted:
        _console().print(f"rushhour {version('rushhour')}")
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
    from simulator.up import up as run_up  # noqa: PLC0415 - heavy imports only where needed

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
    console = _console()
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
    anew: Annotated[
        bool, typer.Option("--new", help="start over, even if this run is there already")
    ] = False,
) -> None:
    """Make your own Kafka and Redis ready for a run whose parts you start yourself."""
    from simulator.ready import prepare_run  # noqa: PLC0415

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
    prepare_run(settings, _console(), anew=anew)


@app.command()
def cluster(
    dataflows: DataflowsFlag = None, consumers: ConsumersFlag = None, redis: RedisFlag = None
) -> None:
    """Say how many processes share the run that `prepare` is about to make ready."""
    from simulator.controls import share_next_run  # noqa: PLC0415
    from simulator.session import open_live_redis  # noqa: PLC0415

    settings = Settings.load(dataflows=dataflows, consumers=consumers, redis=redis)
    with open_live_redis(settings) as client:
        share_next_run(client, settings.dataflows, settings.consumers)
    _console().print(
        f"the next run is shared by {settings.dataflows} dataflow processes "
        f"and {settings.consumers} consumers"
    )


@app.command()
def watch(redis: RedisFlag = None, state_dir: StateFlag = None) -> None:
    """Show a run to its end, and report."""
    from simulator.interrupts import deferred  # noqa: PLC0415
    from simulator.session import open_live_redis  # noqa: PLC0415
    from simulator.watch import watch as follow  # noqa: PLC0415

    with (
        deferred() as interrupts,
        open_live_redis(Settings.load(redis=redis, state_dir=state_dir)) as client,
    ):
        follow(client, _console(), interrupts)


@app.command()
def status(redis: RedisFlag = None, state_dir: StateFlag = None) -> None:
    """Show where the run stands."""
    from simulator.screens import status_screen  # noqa: PLC0415
    from simulator.session import open_redis  # noqa: PLC0415
    from simulator.snapshot import Snapshot  # noqa: PLC0415

    with open_redis(Settings.load(redis=redis, state_dir=state_dir)) as client:
        _console().print(status_screen(Snapshot.read(client)))


@app.command()
def zone(
    zone_id: Annotated[int, typer.Argument(help="location id, 1 to 265")],
    redis: RedisFlag = None,
    state_dir: StateFlag = None,
) -> None:
    """Show one zone: its rides, its next prediction, its errors."""
    from simulator.screens import zone_screen  # noqa: PLC0415
    from simulator.session import open_redis  # noqa: PLC0415

    if not FIRST_ZONE <= zone_id <= LAST_ZONE:
        raise UsageError(f"zone {zone_id} does not exist: zones are {FIRST_ZONE} to {LAST_ZONE}")
    with open_redis(Settings.load(redis=redis, state_dir=state_dir)) as client:
        RunInfo.load(client)
        _console().print(zone_screen(zone_id, read_hash(client, keys.zone(zone_id))))


@app.command()
def compare(
    from_hour: FromFlag = None,
    until_hour: UntilFlag = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="write the table to this file")] = None,
    redis: RedisFlag = None,
    state_dir: StateFlag = None,
) -> None:
    """Show predictions beside what came: one row for each hour and zone."""
    from consumers import views  # noqa: PLC0415
    from simulator.screens import comparison_screen  # noqa: PLC0415
    from simulator.session import open_redis  # noqa: PLC0415

    with open_redis(Settings.load(redis=redis, state_dir=state_dir)) as client:
        table = views.comparison(client, from_hour, until_hour)
    if csv is not None:
        try:
            table.to_csv(csv, index=False)
        except OSError as error:
            raise UsageError(f"{csv}: {error.strerror or error}: choose another --csv") from None
    _console().print(comparison_screen(table))
    if csv is not None:
        _console().print(f"{len(table):,} rows written to {csv}", soft_wrap=True)


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
    from simulator.up import download_progress  # noqa: PLC0415

    settings = Settings.load(dataset=dataset, month=month, cache_dir=cache_dir)
    console = _console()
    with download_progress(console, settings) as advance:
        path = fetch(official_file(settings.dataset, settings.month), settings.cache_dir, advance)
    console.print(f"{path} ({path.stat().st_size:,} bytes)", soft_wrap=True)


@app.command()
def verify(data: DataFlag = None, redis: RedisFlag = None, state_dir: StateFlag = None) -> None:
    """Recount the file and replay the models offline; the run must be the same."""
    from simulator.session import open_redis  # noqa: PLC0415
    from simulator.verify import verify as checks  # noqa: PLC0415

    console = _console()
    failed = 0
    with open_redis(Settings.load(redis=redis, state_dir=state_dir)) as client:
        run = RunInfo.load(client)
        file = data or (None if run.synthetic else Path(run.file))
        if file is not None and not file.is_file():
            raise DataError(f"{file}: no such file: name the run's trip file with --data")
        for check in checks(client, run, file):
            mark = Text("ok  ", "green") if check.passed else Text("FAIL", "red")
            console.print(mark, f"{check.name}: {check.detail}", soft_wrap=True)
            failed += not check.passed
    if failed:
        raise VerificationError(f"{failed} checks failed: the run is not what the file says")


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
    _console().print(table)


def _command(name: Name, value: str, redis: str | None, state_dir: Path | None) -> None:
    from core.hours import clock_label  # noqa: PLC0415
    from simulator.controls import give  # noqa: PLC0415
    from simulator.session import open_live_redis  # noqa: PLC0415

    command = Command(name, value)
    with open_live_redis(Settings.load(redis=redis, state_dir=state_dir)) as client:
        clock = give(client, command)
    _console().print(f"{clock.state} at {clock.speed}, simulated {clock_label(clock.now_ts)}")


def run() -> None:
    """Run the command line; a user's mistake is one line on stderr and an exit code."""
    try:
        app()
    except RushhourError as error:
        print(f"rushhour: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
