"""Parameters of the commands: flags generated from the settings, `--json` and `--quiet`."""

import inspect
import types
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer

from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output

TRIPS = ("dataset", "month", "from_hour", "until_hour", "surge", "data", "data_dir", "cache_dir")
RUN = (*TRIPS, "loop", "keep", "rebase", "warm_start", "horizons")
STORED_RUN = ("redis", "key_prefix", "state_dir")
EVERY_FLAG = tuple(name for name in Settings.model_fields if Settings.flag_name(name))

JsonFlag = Annotated[bool, typer.Option("--json", help="print JSON: one object, or one per line")]
QuietFlag = Annotated[bool, typer.Option("-q", "--quiet", help="print results and errors only")]

Function = Callable[..., None]


def with_settings(
    *settings: str, own_flags: tuple[str, ...] = ()
) -> Callable[[Function], Function]:
    """Return a decorator that gives a command flags of settings, `--json` and `--quiet`.

    The command receives what its parameters ask for by name: `settings` (loaded from the flags,
    the environment and the defaults), `flags` (the values of all its flags of settings; None if
    not given) and `output`. All other parameters are its own arguments and flags.

    Parameters
    ----------
    settings
        Names of the settings whose flags the command has.
    own_flags
        Names of settings whose flags the command uses for itself, from `flags`: they are not
        loaded, so the environment and the default do not apply.
    """

    def decorate(function: Function) -> Function:
        own = inspect.signature(function).parameters
        provided = {"settings", "flags", "output"} & own.keys()

        @wraps(function)
        def command(*, as_json: bool, quiet: bool, **given: Any) -> None:
            flags = {name: given.pop(name) for name in (*own_flags, *settings)}
            available: dict[str, Callable[[], object]] = {
                "settings": lambda: Settings.load(**{name: flags[name] for name in settings}),
                "flags": lambda: flags,
                "output": lambda: Output(as_json=as_json, quiet=quiet),
            }
            function(**given, **{name: available[name]() for name in provided})

        parameters = [
            *(parameter for name, parameter in own.items() if name not in provided),
            *(_flag(name, with_environment=False) for name in own_flags),
            *(_flag(name, with_environment=True) for name in settings),
            _keyword("as_json", JsonFlag, default=False),
            _keyword("quiet", QuietFlag, default=False),
        ]
        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        )
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return decorate


def _flag(name: str, *, with_environment: bool) -> inspect.Parameter:
    """Return the flag of a setting as a parameter that Typer can read.

    Its value is text: `Settings` parses it, as it does the environment, with the same messages.
    """
    declared = Settings.declaration(name)
    assert declared.flag is not None, f"setting {name} has no flag"
    default = f", default {declared.default}" if declared.default else ""
    notes = f"  [{declared.env}{default}]" if with_environment else ""
    kind = _plain(Settings.model_fields[name].annotation)
    if kind is bool:
        # What is on by default needs a flag to turn it off.
        both = f"{declared.flag}/--no-{declared.flag.removeprefix('--')}"
        is_on = Settings.model_fields[name].default is True
        switch = typer.Option(both if is_on else declared.flag, help=declared.description + notes)
        return _keyword(name, Annotated[bool | None, switch], default=None)
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    option = typer.Option(
        declared.flag,
        help=declared.description + notes,
        metavar=f"<{'|'.join(choices) if choices else kind.__name__.lower()}>",
        autocompletion=(lambda: list(choices)) if choices else None,
    )
    return _keyword(name, Annotated[(Path if kind is Path else str) | None, option], default=None)


def _keyword(name: str, annotation: Any, *, default: object) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _plain(annotation: Any) -> Any:
    """Return the type of a setting without bounds and without None: Settings checks those."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return next(_plain(each) for each in get_args(annotation) if each is not types.NoneType)
    return annotation
