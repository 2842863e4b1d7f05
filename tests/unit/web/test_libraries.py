"""Scripts of other packages that the pages load."""

import gzip
from pathlib import Path

import pytest

from rushhour.simulator.web import libraries
from rushhour.simulator.web.assets import STATIC

LIMIT = 60_000  # bytes, compressed: a page has 400 KB in all


def test_the_chart_library_is_installed_and_light() -> None:
    (name, path), *others = libraries.libraries().items()
    assert (name, others) == (libraries.CHARTS, [])
    content = path.read_bytes()
    assert b"Dygraph" in content
    assert len(gzip.compress(content)) < LIMIT


def test_only_one_module_knows_it() -> None:
    def knowing(word: str) -> list[str]:
        texts = {path.name: path.read_text("utf-8") for path in STATIC.glob("*.js")}
        return sorted(name for name, text in texts.items() if word in text)

    assert knowing("Dygraph") == ["charts.js"]
    assert knowing(f'"{libraries.CHARTS}"') == ["charts.js"]


def test_a_script_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "_CHARTS_FILE", Path("no.js"))
    with pytest.raises(FileNotFoundError, match=r"dygraphs.*no\.js"):
        libraries.libraries()
    monkeypatch.setattr(libraries, "_CHARTS_PACKAGE", "not_there")
    with pytest.raises(FileNotFoundError, match="'not_there' is not installed"):
        libraries.libraries()
