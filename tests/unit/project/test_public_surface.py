"""`import rushhour` is light, and what it offers is loaded at first use."""

import importlib.metadata
import subprocess
import sys

import pytest

import rushhour

HEAVY = {
    "bytewax",
    "confluent_kafka",
    "httpx",
    "importlib.metadata",
    "matplotlib",
    "msgspec",
    "numpy",
    "pandas",
    "prometheus_client",
    "pyarrow",
    "pydantic",
    "redis",
    "rich",
    "river",
    "starlette",
    "typer",
    "uvicorn",
}


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads, in a process of its own."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


@pytest.mark.parametrize("statement", ["import rushhour", "import rushhour.core"])
def test_an_import_loads_the_standard_library_only(statement: str) -> None:
    found = loaded_by(statement)
    assert "rushhour" in found
    assert found & HEAVY == set()
    standard = sys.stdlib_module_names | {"rushhour"}
    assert {name for name in found if name.partition(".")[0] not in standard} == set()


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("views", "rushhour.views"),
        ("clock", "rushhour.clock"),
        ("now", "rushhour.clock"),
        ("connect", "rushhour.runtime.redis_client"),
        ("submit", "rushhour.submissions"),
        ("RushhourError", "rushhour.core.errors"),
    ],
)
def test_a_name_is_loaded_when_it_is_used(name: str, module: str) -> None:
    assert module not in loaded_by("import rushhour")
    assert module in loaded_by(f"import rushhour; rushhour.{name}")


def test_everything_that_is_listed_exists() -> None:
    assert set(rushhour.__all__) <= set(dir(rushhour))
    for name in rushhour.__all__:
        assert getattr(rushhour, name) is not None
    assert rushhour.__version__ == importlib.metadata.version("rushhour")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'rushhour' has no attribute 'view'$"):
        _ = rushhour.view
