"""Write the generated parts of docs/reference.md: settings, commands and JSON documents.

    python tools/write_reference.py

Each part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
"""

import re
import types
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import typer

from rushhour.core.settings import Declaration, Settings
from rushhour.simulator.commands.cli import app
from rushhour.simulator.documents.objects import OBJECTS
from rushhour.simulator.documents.schema import DOCUMENTS

REFERENCE = Path(__file__).parents[1] / "docs" / "reference.md"

# Defaults that depend on the operating system.
_BY_SYSTEM = {"cache_dir": "the user's cache directory", "state_dir": "the user's state directory"}
_EVERY_COMMAND = {"as_json", "quiet", "help"}
_TYPES: dict[Any, str] = {
    str: "text", datetime: "text", int: "int", float: "float", bool: "bool", dict: "object",
}  # fmt: skip


def render(text: str) -> str:
    """Return the reference with its generated parts as the code is now."""
    for name, lines in (
        ("settings", _settings()),
        ("commands", _commands()),
        ("documents", _documents()),
    ):
        body = "\n".join(lines)
        pattern = rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)"
        text, found = re.subn(
            pattern, lambda match, body=body: f"{match[1]}\n{body}\n\n{match[2]}", text, flags=re.S
        )
        assert found == 1, f"{REFERENCE} has {found} parts named {name}"
    return text


def _settings() -> Iterator[str]:
    yield "| setting | flag | environment | default |"
    yield "|---|---|---|---|"
    yield from map(_setting, Settings.declarations())


def _setting(declared: Declaration) -> str:
    unit = declared.unit
    needs_unit = unit is not None and unit not in declared.description
    return _row(
        declared.description + (f" ({unit})" if needs_unit else ""),
        _code(declared.flag),
        _code(declared.env),
        _BY_SYSTEM.get(declared.name) or _code(declared.default),
    )


def _commands() -> Iterator[str]:
    yield "| command | does | arguments and flags | flags of settings |"
    yield "|---|---|---|---|"
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        own = [each for each in command.params if each.name not in Settings.model_fields]
        own = [each for each in own if each.name not in _EVERY_COMMAND]
        flags = [
            each.opts[0]
            for each in command.params
            if each.name in Settings.model_fields and each not in own
        ]
        every = len(flags) == sum(each.flag is not None for each in Settings.declarations())
        yield _row(
            f"`rushhour {name}`",
            " ".join(command.help.split()).rstrip("."),
            "; ".join(f"`{_usage(each)}`: {each.help}" for each in own),
            "all" if every else ", ".join(map(_code, flags)),
        )


def _usage(parameter: Any) -> str:
    return (
        parameter.metavar or parameter.opts[0]
        if parameter.param_type_name == "argument"
        else str(parameter.opts[0])
    )


def _documents() -> Iterator[str]:
    for kind in DOCUMENTS:
        yield from (f"**{_lead(kind)}**", "", *_fields(kind), "")
    yield from ("Objects inside of these:", "")
    for kind in OBJECTS:
        yield from (f"**{kind.__name__}**: {_lead(kind)}", "", *_fields(kind), "")


def _lead(kind: type[msgspec.Struct]) -> str:
    return " ".join((kind.__doc__ or "").split())


def _fields(kind: type[msgspec.Struct]) -> Iterator[str]:
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    hints = get_type_hints(kind, include_extras=True)
    for name in kind.__struct_fields__:
        hint, meaning = hints[name], ""
        if get_origin(hint) is Annotated:
            hint, meta = get_args(hint)
            meaning = meta.description
        yield _row(_code(name), _type(hint), meaning)


def _type(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return " or ".join("null" if each is types.NoneType else _type(each) for each in arguments)
    if origin is list:
        return f"list of {_type(arguments[0])}"
    return _TYPES.get(origin or hint) or hint.__name__


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _row(*cells: str) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |".replace("|  |", "| |")


if __name__ == "__main__":
    REFERENCE.write_text(render(REFERENCE.read_text("utf-8")), "utf-8")
