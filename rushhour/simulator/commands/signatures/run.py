"""Declares the commands that start a run, follow it and have a record passed over."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.signatures.parameters import (
    EVERY_FLAG,
    RUN,
    STORED_RUN,
    with_settings,
)

# The manifest says what is replayed, and how the clock went.
_OF_A_REPETITION = tuple(
    name
    for name in EVERY_FLAG
    if name
    not in {
        *("dataset", "month", "from_hour", "until_hour", "surge", "speed", "start_at", "paused"),
        *("loop", "keep", "rebase", "horizons", "gate", "on_hour", "on_hour_timeout"),
    }
)

_ExitFlag = Annotated[bool, typer.Option("--exit", help="exit after the report, on a terminal too")]
_NewFlag = Annotated[
    bool, typer.Option("--new", help="delete another run that the Redis of --redis holds")
]


@with_settings(*EVERY_FLAG)
def up(
    settings: Settings,
    output: Output,
    exit_at_end: _ExitFlag = False,
    restart: _NewFlag = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="report what each part has used and waited for")
    ] = False,
) -> None:
    """Start everything, replay the month, and report."""
    from rushhour.simulator.commands.up import up as start_up

    stay = output.is_terminal and not (exit_at_end or output.as_json)
    start_up(settings, output, stay=stay, restart=restart, profile=profile)


@with_settings(*_OF_A_REPETITION, own_flags=("speed",))
def replay(
    flags: dict[str, Any],
    output: Output,
    file: Annotated[
        Path, typer.Argument(metavar="MANIFEST", help="such as manifest.json of a state directory")
    ],
    any_version: Annotated[
        bool, typer.Option("--any-version", help="repeat it with other versions, too")
    ] = False,
    exit_at_end: _ExitFlag = False,
    restart: _NewFlag = False,
) -> None:
    """Repeat a run from its manifest, at full speed, and end where it ended."""
    from rushhour.simulator.commands.repeat import repeat

    stay = output.is_terminal and not (exit_at_end or output.as_json)
    repeat(flags, output, file, stay=stay, restart=restart, any_version=any_version)


@with_settings(
    *(*RUN, "redis", "key_prefix", "kafka", "topic_prefix"),
    *("partitions", "dataflows", "consumers"),
)
def prepare(
    settings: Settings,
    output: Output,
    restart: Annotated[
        bool, typer.Option("--new", help="start over, and delete the run that Redis holds")
    ] = False,
) -> None:
    """Prepare your own Kafka and Redis for a run that you start yourself.

    Its processes are `python -m producers`, `python -m dataflows` and `python -m consumers`.
    """
    from rushhour.simulator.commands.prepare import prepare_run

    prepare_run(settings, output, restart=restart)


@with_settings(*STORED_RUN)
def watch(
    settings: Settings,
    output: Output,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="with --json: begin with the run's first hour")
    ] = False,
) -> None:
    """Show a run until it ends, and report.

    With --json, print a line for each hour as it closes.
    """
    from rushhour.simulator.commands.watch import watch as follow

    follow(settings, output, from_start=from_start)


@with_settings(*STORED_RUN, "kafka", "topic_prefix")
def submit(
    settings: Settings,
    output: Output,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="predictions: .parquet or .csv")],
    model: Annotated[str, typer.Option("--model", help="name of your model")],
) -> None:
    """Submit predictions of your own, to be scored beside those of the run."""
    from rushhour.simulator.commands.submit import submit as submit_file

    submit_file(settings, output, file, model)


@with_settings(*STORED_RUN)
def ack(
    settings: Settings,
    output: Output,
    gate_name: Annotated[str, typer.Argument(metavar="GATE", help="one of the names of --gate")],
    hour: Annotated[
        str | None,
        typer.Argument(metavar="[HOUR]", help="such as 2024-10-02T23; else the last closed hour"),
    ] = None,
) -> None:
    """Acknowledge a closed hour in place of a gate, so that the clock may pass it."""
    from rushhour.simulator.commands.ack import acknowledge_hour

    acknowledge_hour(settings, output, gate_name, hour)


@with_settings(*STORED_RUN)
def skip(
    settings: Settings,
    output: Output,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="such as trips")],
    partition: Annotated[int, typer.Argument(metavar="PARTITION", help="number of the partition")],
    offset: Annotated[int, typer.Argument(metavar="OFFSET", help="position of the record")],
) -> None:
    """Have a record passed over that stops a process, from the next start of that process on."""
    from rushhour.simulator.commands.skip import skip as skip_record
    from rushhour.storage.skips import RecordPosition

    skip_record(settings, output, RecordPosition(topic, partition, offset))
