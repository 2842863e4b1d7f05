"""What the documentation shows exists: links, commands, flags, keys, settings, files, versions."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from rushhour.core import keys
from rushhour.core.settings import Settings
from rushhour.simulator.commands.cli import app

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md") for path in ROOT.glob(pattern)
)
OTHER_VARIABLES = {
    "RUSHHOUR_COMPOSE_EXTRA",
    "RUSHHOUR_FAILPOINTS",
    "RUSHHOUR_HOUR",
    "RUSHHOUR_PYTHON",
    "RUSHHOUR_TEST_KAFKA",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def commands(page: Path, program: str) -> list[list[str]]:
    """Calls of a program in the console blocks of a page and within its sentences, as words."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", text, re.S | re.M)
    console = "\n".join(blocks).replace("\\\n", " ")
    calls = re.findall(rf"^ *\$ (?:.*(?<!-n) )?({program}(?: .*)?)$", console, re.M)
    calls += re.findall(rf"(?<!`)`(?:[^`\n]*(?<!-n) )?({program} [^`]+)`(?!`)", text)
    return [shlex.split(call, comments=True) for call in calls]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.S | re.M)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 250


@pages
def test_relative_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith(("http:", "https:")):
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.exists(), target
        assert linked.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(linked), target


@pages
def test_commands_and_their_flags_exist(page: Path) -> None:
    known = typer.main.get_command(app)
    assert hasattr(known, "commands")
    for _, name, *words in (call for call in commands(page, "rushhour") if len(call) > 1):
        if name.startswith("-"):
            continue
        assert name in known.commands, name
        options = {
            flag
            for parameter in known.commands[name].params
            for flag in (*parameter.opts, *parameter.secondary_opts)
        }
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert flags <= options, name


@pages
def test_keys_that_redis_cli_reads_are_keys_of_a_run(page: Path) -> None:
    for words in commands(page, "redis-cli"):
        address = ("-p", "6379", "-s", "PATH")
        command, *rest = [*(word for word in words[1:] if word not in address), ""]
        key = rest[rest.index("STREAMS") + 1] if command == "XREAD" else rest[0] if rest else ""
        assert keys.is_of_a_run(key.removeprefix("ada:")) or not key, words


@pages
def test_variables_are_settings(page: Path) -> None:
    found = re.findall(r"\bRUSHHOUR_[A-Z_]*[A-Z]\b", page.read_text("utf-8"))
    named = {name.partition("__")[0] for name in found}  # a variable of its own for each property
    assert named <= {Settings.env_name(name) for name in Settings.model_fields} | OTHER_VARIABLES


@pages
def test_files_that_are_named_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":  # it is about the past, too
        return
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.S | re.M)
    for name in re.findall(
        r"`((?:\w[\w.-]*/)+[\w.-]*\.(?:py|md|toml|yml|yaml|svg|png|lock))`", text
    ):
        if "halfway" not in name:  # the forecaster that the reader is to write
            assert (ROOT / name).exists() or (page.parent / name).exists(), name


@pages
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    text = page.read_text("utf-8")
    named = re.findall(r"`make ([a-z-]+)", text) + [call[1] for call in commands(page, "make")]
    assert set(named) <= targets


def test_every_decision_record_is_in_the_index() -> None:
    directory = ROOT / "docs" / "decisions"
    index = (directory / "README.md").read_text("utf-8")
    records = sorted(path.name for path in directory.glob("0*.md"))
    assert re.findall(r"\((0\S+\.md)\)", index) == records
    for number, name in enumerate(records, 1):
        assert name.startswith(f"{number:04}-")


def test_every_dependency_is_explained() -> None:
    groups = PROJECT["dependency-groups"]
    named = [*PROJECT["project"]["dependencies"], *(d for group in groups.values() for d in group)]
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("\n## Dependencies\n")[1]
    rows = " ".join(re.findall(r"^\| (.*?) \|", text, re.M))
    for requirement in named:
        name = re.split(r"[\[><=;]", requirement)[0].strip()
        assert re.search(rf"\b{re.escape(name)}\b", rows), name


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    released = re.search(r"^## \[(\d\S*)\] - (\S+)$", changelog, re.M)
    assert released is not None
    assert released[1] == version
    assert f"\nversion: {version}\n" in citation
    assert f'\ndate-released: "{released[2]}"\n' in citation
