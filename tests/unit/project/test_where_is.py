"""The table "Where is" of CONTRIBUTING.md names files and symbols that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
QUESTIONS_OF_A_NEWCOMER = (
    "a trip becomes JSON",
    "an hour is closed",
    "a forecast is made",
    "a key of Redis gets its name",
    "a flag",
    "the embedded broker starts",
    "a metric gets its name",
    "an exit code",
    "a setting",
    "scores are computed",
    "Redis tables are read",
    "a forecaster is added",
)


def table() -> list[tuple[str, str, list[str]]]:
    """What, file and symbols of each row."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    section = text.split("\n## Where is\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.*?) ?\| `(\S+)` \| (.*) \|$", section, re.M)
    return [(what, file, re.findall(r"`(.+?)`", symbols)) for what, file, symbols in rows]


def names(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """Names that a module defines or imports, those of a class with a dot."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from names(node.body, f"{node.name}.")
        elif isinstance(node, ast.Assign):
            yield from (prefix + t.id for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield prefix + node.target.id


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row[1]}")
def test_file_and_symbols_exist(row: tuple[str, str, list[str]]) -> None:
    _, file, symbols = row
    defined = set(names(ast.parse((ROOT / file).read_text("utf-8")).body))
    assert symbols
    assert set(symbols) <= defined


@pytest.mark.parametrize("question", QUESTIONS_OF_A_NEWCOMER)
def test_the_table_answers(question: str) -> None:
    assert any(question in what for what, _, _ in table())
