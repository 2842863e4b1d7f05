"""Declares the commands to the simulated clock."""

from typing import Annotated

import typer

from rushhour.core.clock import Command, CommandName
from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.signatures.parameters import STORED_RUN, with_settings

Hour = Annotated[str, typer.Argument(metavar="HOUR", help="such as '2024-10-14 06:00'")]
Wait = Annotated[
    bool, typer.Option("--wait", help="return once that hour is reached, and print those before it")
]


@with_settings(*STORED_RUN)
def step(
    settings: Settings,
    output: Output,
    length: Annotated[
        str, typer.Argument(metavar="LENGTH", help="how far: 1h, 6h, 1d (default: 1h)")
    ] = "1h",
) -> None:
    """Close exactly the next hours, print each once it is scored, and stand still."""
    from rushhour.simulator.commands.controls import control_and_wait

    control_and_wait(settings, output, Command("step", length))


@with_settings(*STORED_RUN)
def until(settings: Settings, output: Output, hour: Hour, wait: Wait = False) -> None:
    """Let the simulated clock run to an hour, and pause there."""
    _lead(settings, output, Command("until", hour), wait=wait)


@with_settings(*STORED_RUN)
def seek(settings: Settings, output: Output, hour: Hour, wait: Wait = False) -> None:
    """Fast-forward to an hour, and go on as before; back, the run starts over."""
    _lead(settings, output, Command("seek", hour), wait=wait)


@with_settings(*STORED_RUN)
def speed(
    settings: Settings,
    output: Output,
    value: Annotated[
        str, typer.Argument(metavar="SPEED", help="max, a factor such as 3600, or 6h/s, 30m/s")
    ],
) -> None:
    """Change the speed of the replay."""
    _control(settings, output, "speed", value)


@with_settings(*STORED_RUN)
def pause(settings: Settings, output: Output) -> None:
    """Stop the simulated clock."""
    _control(settings, output, "pause")


@with_settings(*STORED_RUN)
def resume(settings: Settings, output: Output) -> None:
    """Let the simulated clock run again."""
    _control(settings, output, "resume")


@with_settings(*STORED_RUN)
def stop(settings: Settings, output: Output) -> None:
    """End the run before its last hour, as it is; an embedded one is saved."""
    _control(settings, output, "stop")


@with_settings(*STORED_RUN)
def now(settings: Settings, output: Output) -> None:
    """Print simulated time."""
    from rushhour.simulator.commands.controls import now as print_now

    print_now(settings, output)


def _control(settings: Settings, output: Output, name: CommandName, value: str = "") -> None:
    from rushhour.simulator.commands.controls import control

    control(settings, output, Command(name, value))


def _lead(settings: Settings, output: Output, command: Command, *, wait: bool) -> None:
    from rushhour.simulator.commands.controls import control, control_and_wait

    (control_and_wait if wait else control)(settings, output, command)
