"""The table of settings in docs/reference.md is made of the declarations of `Settings`."""

from pathlib import Path

from rushhour.core.settings import Declaration, Settings

REFERENCE = Path(__file__).parents[3] / "docs" / "reference.md"
# Defaults that depend on the operating system.
BY_SYSTEM = {"cache_dir": "the user's cache directory", "state_dir": "the user's state directory"}


def code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def row(declared: Declaration) -> str:
    """The row of one setting; to renew the table, paste what the failing test prints."""
    unit = (
        f" ({declared.unit})" if declared.unit and declared.unit not in declared.description else ""
    )
    cells = (
        declared.description + unit,
        code(declared.flag),
        code(declared.env),
        BY_SYSTEM.get(declared.name) or code(declared.default),
    )
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def test_the_table_has_every_setting_as_it_is_declared() -> None:
    rows = [
        line
        for line in REFERENCE.read_text("utf-8").splitlines()
        if line.startswith("|") and "`RUSHHOUR_" in line
    ]
    assert rows == list(map(row, Settings.declarations()))
