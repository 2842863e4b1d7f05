import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dataflows.forecasting.lazy_packages import defer

NAME = "a_heavy_package"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A deferred package of which a module has been imported."""
    directory = tmp_path / NAME
    directory.mkdir()
    (directory / "__init__.py").write_text(
        f"from {NAME} import inner\nfrom .light import VALUE\nfrom .inner import X as heavy\n"
    )
    (directory / "light.py").write_text("VALUE = object()\n")
    (directory / "inner.py").write_text(f"import {NAME}\nX = {NAME}.light.VALUE\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for module in ("", ".light", ".inner"):
        monkeypatch.delitem(sys.modules, NAME + module, raising=False)
    defer(NAME)
    importlib.import_module(f"{NAME}.light")
    return sys.modules[NAME]


def test_importing_a_module_does_not_run_its_package(package: ModuleType) -> None:
    assert package.light is sys.modules[f"{NAME}.light"]
    assert "heavy" not in vars(package)
    assert f"{NAME}.inner" not in sys.modules


def test_a_package_runs_when_it_is_asked_for_a_name(package: ModuleType) -> None:
    assert package.heavy is package.VALUE is package.light.VALUE
    assert type(package) is ModuleType
    assert package.__spec__ is not None
    assert package.__loader__ is package.__spec__.loader
    with pytest.raises(AttributeError, match=f"module '{NAME}' has no attribute 'missing'"):
        _ = package.missing


def test_a_package_runs_when_something_is_imported_from_it(package: ModuleType) -> None:
    names: dict[str, object] = {}
    exec(f"from {NAME} import heavy, inner", names)
    assert names["heavy"] is package.light.VALUE
    assert names["inner"] is sys.modules[f"{NAME}.inner"]


def in_a_new_process(code: str) -> str:
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def test_forecasting_imports_nothing_heavy() -> None:
    """If it fails, something that takes long to import has come in, or River has changed."""
    code = """if True:
        import numpy as np
        from dataflows.forecasting.engine import ForecastEngine
        engine = ForecastEngine()
        engine.predict_one(0)
        engine.learn_one(0, np.ones(265, np.int64))
        import sys
        heavy = {"pandas", "pyarrow", "scipy.special", "scipy.stats", "numpy.f2py", "matplotlib"}
        print(heavy & set(sys.modules))
    """
    assert in_a_new_process(code) == "set()"


def test_the_whole_of_river_is_at_hand() -> None:
    code = """if True:
        import dataflows.forecasting.engine
        from river import drift, linear_model, proba
        print(drift.ADWIN(), linear_model.LinearRegression().__class__.__name__, proba.Gaussian())
        from river.linear_model.bayesian_lin_reg import BayesianLinearRegression as Regression
        print(Regression().predict_one({"a": 1.0}, with_dist=True).sigma)
    """
    assert "LinearRegression" in in_a_new_process(code)
