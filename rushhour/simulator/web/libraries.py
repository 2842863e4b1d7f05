"""Scripts of other packages that the pages load: they lie in wheels, and are never copied here."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

# The chart library (docs/decisions/0016-charts.md). `static/charts.js` asks for it by this name.
CHARTS = "dygraphs.js"
_CHARTS_PACKAGE = "dygraphs"
_CHARTS_FILE = Path("assets") / "dygraph-combined.js"


def libraries() -> Mapping[str, Path]:
    """Return the scripts: name under which a page asks for one -> where it is installed.

    Raises
    ------
    FileNotFoundError
        If a package does not have the script any more.
    """
    return {CHARTS: _installed(_CHARTS_PACKAGE, _CHARTS_FILE)}


def _installed(package: str, file: Path) -> Path:
    """Return a file of an installed package, which is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the package '{package}' is not installed")
    path = Path(spec.origin).parent / file
    if not path.is_file():
        raise FileNotFoundError(path)
    return path
