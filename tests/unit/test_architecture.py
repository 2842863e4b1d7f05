import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("producers", "dataflows", "consumers")
PACKAGES = ("core", *PARTS, "simulator")
# Which of our packages each may import.
ALLOWED = {"core": {"core"}, "simulator": set(PACKAGES)} | {part: {"core", part} for part in PARTS}


def imported(file: Path) -> set[str]:
    """The packages that a file imports, anywhere in it: our own ones by name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module is not None:
            found.add(node.module.partition(".")[0])
    return found


def forbidden(package: str, files: list[Path]) -> list[tuple[str, str]]:
    """Which file of a package imports one of our packages that it must not."""
    return [
        (file.name, name)
        for file in files
        for name in sorted(imported(file) & set(PACKAGES) - ALLOWED[package])
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert len(files) > 3
    assert forbidden(package, files) == []


def test_nothing_but_the_simulator_imports_the_simulator() -> None:
    assert [name for name, allowed in ALLOWED.items() if "simulator" in allowed] == ["simulator"]


def test_parts_do_not_know_each_other() -> None:
    assert all(ALLOWED[part] & set(PARTS) == {part} for part in PARTS)


def test_every_shipped_package_is_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert sorted(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == sorted(
        PACKAGES
    )


@pytest.mark.parametrize(
    ("package", "line", "caught"),
    [
        ("core", "import producers", "producers"),
        ("core", "from dataflows.flow import build_flow", "dataflows"),
        ("producers", "import consumers.views as views", "consumers"),
        ("dataflows", "def f():\n    from producers import trips", "producers"),
        ("consumers", "if True:\n    import os, simulator.cli", "simulator"),
    ],
)
def test_a_planted_import_is_caught(tmp_path: Path, package: str, line: str, caught: str) -> None:
    file = tmp_path / "planted.py"
    file.write_text(f"import core.hours\n\n{line}\n")
    assert forbidden(package, [file]) == [("planted.py", caught)]


def test_allowed_imports_are_not_caught(tmp_path: Path) -> None:
    file = tmp_path / "fine.py"
    file.write_text("import os\nfrom . import x\nfrom core import keys\nfrom producers import y\n")
    assert forbidden("producers", [file]) == []
    assert forbidden("simulator", [file]) == []
