"""The installed versions: a run is finished by the version that started it."""

from importlib.metadata import version

VERSION = version("rushhour")

# Another version of one of these may round otherwise, or learn otherwise.
RESULTS_DEPEND_ON = ("numpy", "river")


def library_versions() -> dict[str, str]:
    """Return the installed versions of the libraries that results depend on.

    >>> list(library_versions())
    ['numpy', 'river']
    """
    return {name: version(name) for name in RESULTS_DEPEND_ON}


def format_versions(versions: dict[str, str]) -> str:
    """Return versions as one text.

    >>> format_versions({"numpy": "2.1.3", "river": "0.22.0"})
    'numpy 2.1.3, river 0.22.0'
    """
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def parse_versions(text: str) -> dict[str, str]:
    """Return the versions that `format_versions` has made a text of.

    >>> parse_versions("numpy 2.1.3, river 0.22.0"), parse_versions("")
    ({'numpy': '2.1.3', 'river': '0.22.0'}, {})
    """
    pairs = (each.partition(" ") for each in filter(None, text.split(", ")))
    return {name: number for name, _, number in pairs}
