"""The `rushhour` command: all commands by purpose, and how each error ends the process."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the dataflow: see dataflows.__main__
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from rushhour.core.errors import ClosedPipeError, RushhourError, UsageError
from rushhour.core.redis_url import mask_password
from rushhour.core.version import VERSION
from rushhour.simulator.commands.signatures import clock, look, offline
from rushhour.simulator.commands.signatures import run as running

_SECTIONS: dict[str, tuple[Callable[..., None], ...]] = {
    "Run": (running.up, running.replay, running.prepare, running.watch),
    "Control a live run": (
        clock.step,
        clock.until,
        clock.seek,
        clock.speed,
        clock.pause,
        clock.resume,
        clock.stop,
        running.submit,
        running.ack,
        running.skip,
    ),
    "Read a run": (
        look.status,
        clock.now,
        look.models,
        look.zone,
        look.compare,
        look.alerts,
        look.report,
        look.export,
        look.dead_letters,
        look.verify,
        look.manifest,
        look.model,
        look.doctor,
        look.redis,
        look.web,
    ),
    "Without a run": (offline.backtest, offline.download, offline.config),
}


_WHOLE = 1_000  # characters of a short help: none is cut


class _Sections(TyperGroup):
    """Lists the commands by purpose."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands of each section with their one-line help."""
        for section, functions in _SECTIONS.items():
            names = [function.__name__.replace("_", "-") for function in functions]
            with formatter.section(section):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(_WHOLE)) for name in names]
                )


app = typer.Typer(
    name="rushhour",
    cls=_Sections,
    rich_markup_mode=None,  # plain help: quick, and as wide as the terminal
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"rushhour {VERSION}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="show the version and exit", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Replay New York taxi trips as a live stream; forecast each zone's next hour, and score it."""
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(UsageError.exit_code)


# A command for Redis has arguments such as -1, which are no flags.
_CONTEXTS = {look.redis: {"ignore_unknown_options": True}}

for _functions in _SECTIONS.values():
    for _function in _functions:
        app.command(context_settings=_CONTEXTS.get(_function))(_function)


def run() -> NoReturn:
    """Run the command line; an error of the user is one line on stderr and an exit code."""
    stdout = sys.stdout
    try:
        code = app(prog_name=app.info.name, standalone_mode=False) or 0
        stdout.flush()
    except SystemExit:
        if sys.stdout is stdout:
            raise
        code = ClosedPipeError.exit_code  # Typer has replaced it: nobody reads the help any more
        sys.stdout = stdout
    except (ClosedPipeError, BrokenPipeError):
        code = ClosedPipeError.exit_code
    except RushhourError as error:
        code = _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        code = _fail(_usage_error(error), error.exit_code)
    _discard_closed_streams()
    sys.exit(code)


def _fail(message: str, exit_code: int) -> int:
    with suppress(BrokenPipeError):
        print(f"rushhour: {mask_password(message)}", file=sys.stderr)
    return exit_code


def _usage_error(error: typer.TyperException) -> str:
    """Return what is wrong with the arguments, and which help to read."""
    context = getattr(error, "ctx", None)
    command = "rushhour" if context is None else context.command_path
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    return f"{message[:1].lower()}{message[1:]}: see `{command} --help`"


def _discard_closed_streams() -> None:
    """Send the rest of what nobody reads to nowhere: Python would complain as it exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
