"""What a peer needs: a virtual environment with its own requirements, and jars. Made once.

A directory is complete when it holds the stamp of what it was made from; else it is made again.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_HERE = Path(__file__).parent
_REQUIREMENTS = _HERE / "requirements"
_POM = _HERE / "requirements" / "spark-kafka.pom.xml"
_STAMP = ".complete"
_LIMIT_S = 1800.0


class UnavailableError(Exception):
    """Why a peer cannot be installed here."""


def interpreter(cache: Path, requirements: str) -> Path:
    """Return the Python of an environment with `requirements/NAME.txt`, made if it is not there.

    Raises
    ------
    UnavailableError
        If it cannot be made.
    """
    wanted = _REQUIREMENTS / f"{requirements}.txt"
    directory = cache / "environments" / requirements
    python = directory / "bin" / "python"
    stamp = _stamp(wanted, sys.version)
    if not _is_complete(directory, stamp):
        shutil.rmtree(directory, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(directory)])
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        _run([str(python), *install, "-r", str(wanted)])
        (directory / _STAMP).write_text(stamp)
    return python


def spark_jars(cache: Path) -> Path:
    """Return the directory of Spark's Kafka connector and what it needs, without Spark itself.

    Raises
    ------
    UnavailableError
        If there is no Java or Maven, or Maven cannot get them.
    """
    for tool, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(tool) is None:
            raise UnavailableError(f"no {tool} here: install Debian's {package}")
    directory = cache / "spark-jars"
    stamp = _stamp(_POM)
    if not _is_complete(directory, stamp):
        shutil.rmtree(directory, ignore_errors=True)
        goal = "dependency:copy-dependencies"
        options = ["-DincludeScope=runtime", f"-DoutputDirectory={directory.absolute()}"]
        _run(["mvn", "-B", "-q", "-f", str(_POM), goal, *options])
        (directory / _STAMP).write_text(stamp)
    return directory


def _stamp(file: Path, *others: str) -> str:
    return hashlib.sha256("\n".join((file.read_text("utf-8"), *others)).encode()).hexdigest()


def _is_complete(directory: Path, stamp: str) -> bool:
    file = directory / _STAMP
    return file.is_file() and file.read_text() == stamp


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{command[0]} took longer than {_LIMIT_S:.0f} s") from None
    except subprocess.CalledProcessError as error:
        lines = [line for line in str(error.output).splitlines() if "ERROR" in line.upper()]
        raise UnavailableError(lines[0].strip() if lines else "no message") from None
