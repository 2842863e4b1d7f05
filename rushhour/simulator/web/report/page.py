"""Puts a page into one file: its scripts, styles and figures inside, and nothing to load."""

import base64
import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any

import msgspec

from rushhour.simulator.web.assets import STATIC
from rushhour.simulator.web.libraries import CHARTS, libraries

_MAIN = "report.js"
_STYLES = ("base.css", "monitoring.css", "report.css")
_IMPORT = re.compile(r'(^import [^;]*?from|^export [^;]*?from|^import) "\./([\w.]+)"', re.M)
_BARE = "rushhour/"  # in the file, modules are found by such names instead of by their place
# The rules of the demand page that colour a map: without those that lay that page out.
_MAP_STYLES = "demand.css"
_OF_A_MAP = (":root", "@media (prefers-color-scheme", "[data-s", ".zone {", ".halo", ".mark",
             ".selection", ".steps")  # fmt: skip


def report_html(title: str, figures: dict[str, Any]) -> str:
    """Return the report as one HTML document.

    Its policy lets a browser load nothing from anywhere.
    """
    parts = {
        "title": escape(title),
        "style": "\n".join(_styles()),
        "library": _in_script(libraries()[CHARTS].read_text("utf-8")),
        "modules": _in_script(json.dumps({"imports": dict(_modules())})),
        "main": _BARE + _MAIN,
        "monitoring": (STATIC / "monitoring.html").read_text("utf-8"),
        "figures": msgspec.json.encode(figures).decode().replace("<", "\\u003c"),
    }
    shell = (STATIC / "report.html").read_text("utf-8")
    # In one pass: what is put in may look like a placeholder.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], shell)


def _styles() -> Iterator[str]:
    for name in _STYLES:
        yield (STATIC / name).read_text("utf-8")
    yield from map_rules((STATIC / _MAP_STYLES).read_text("utf-8"))


def map_rules(style: str) -> Iterator[str]:
    """Yield the rules of a style sheet that concern a map.

    >>> list(map_rules(".demand { top: 0; } .zone { fill: red; } .zones { fill: blue; }"))
    ['.zone { fill: red; }']
    """
    style = re.sub(r"/\*.*?\*/", "", style, flags=re.S)
    for rule in re.findall(r"[^{}]+\{(?:[^{}]|\{[^{}]*\})*\}", style):
        if rule.strip().startswith(_OF_A_MAP):
            yield rule.strip()


def _modules() -> Iterator[tuple[str, str]]:
    """Yield the modules that the report needs: the name of each, and its text as a `data:` URL."""
    wanted, seen = [_MAIN], {_MAIN}
    while wanted:
        name = wanted.pop()
        text = (STATIC / name).read_text("utf-8")
        for _, other in _IMPORT.findall(text):
            if other not in seen:
                seen.add(other)
                wanted.append(other)
        text = _IMPORT.sub(rf'\1 "{_BARE}\2"', text)
        encoded = base64.b64encode(text.encode()).decode()
        yield _BARE + name, f"data:text/javascript;base64,{encoded}"


def _in_script(text: str) -> str:
    """Return a text that does not end the element `script` around it."""
    return re.sub(r"</(script)", r"<\\/\1", text, flags=re.I)
