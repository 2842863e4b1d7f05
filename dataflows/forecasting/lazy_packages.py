"""Packages whose `__init__` runs when they are first asked for a name that they do not have yet.

Python runs a package before it imports a module of it. `river.linear_model` then imports all its
models, and those the whole of SciPy: half of the time in which a dataflow starts, for a module that
needs nothing of it. `importlib.util.LazyLoader` does not help: to look for the module is to ask the
package for its `__path__`, which runs it.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


def defer(*packages: str) -> None:
    """Let packages run only when something is asked of them that is not a module imported so far.

    Everything else is as usual: `from river import proba` and `proba.Gaussian` work. A package
    that is already imported stays as it is. The first use of a package must not be in two threads
    at once.
    """
    sys.meta_path.insert(0, _Finder(frozenset(packages)))


class _Finder(MetaPathFinder):
    def __init__(self, packages: frozenset[str]) -> None:
        self._packages = packages

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._packages:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _LazyLoader(spec.loader)
        return spec


class _LazyLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _LazyPackage

    def run(self, package: ModuleType) -> None:
        package.__class__ = ModuleType
        assert package.__spec__ is not None
        package.__spec__.loader = package.__loader__ = self._loader
        self._loader.exec_module(package)


class _LazyPackage(ModuleType):
    def __getattr__(self, name: str) -> object:  # called for what is missing only
        assert self.__spec__ is not None
        assert isinstance(self.__spec__.loader, _LazyLoader)
        self.__spec__.loader.run(self)
        return getattr(self, name)
