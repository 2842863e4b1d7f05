"""Manifests as files: read one, and keep that of the run in the state directory."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import redis

from rushhour.core import keys
from rushhour.core.errors import DataError, RedisFailure, StackError, UsageError
from rushhour.core.hours import clock_label
from rushhour.core.version import VERSION
from rushhour.simulator.documents.manifest import RUSHHOUR, Manifest, read_manifest
from rushhour.simulator.stack.state_dir import write_private

FILE = "manifest.json"
# The manifest of the run before, for a comparison.
PREVIOUS_FILE = "manifest.previous.json"


def load_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises
    ------
    DataError
        If the file does not exist, or is no manifest.
    StackError
        If it is one of another version of rushhour, which this one cannot read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror}: name a manifest, such as {FILE} of a state directory"
        ) from None
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
        _check(manifest)
    except (msgspec.MsgspecError, KeyError, ValueError, OverflowError, UsageError) as error:
        version = _version_of(content)
        if version not in {None, VERSION}:
            raise StackError(
                f"{path} is of rushhour {version}, and this is {VERSION}: install the former"
            ) from None
        problem = str(error).partition("\n")[0]
        missing = f"no field {problem}" if isinstance(error, KeyError) else problem
        raise DataError(f"{path} is not a manifest: {missing}") from None
    return manifest


def _check(manifest: Manifest) -> None:
    """Raise an error of the value that cannot be."""
    run = manifest.run_info
    _ = run.surges, clock_label(manifest.end.simulated_ts)
    if not 0 <= manifest.end.hours_closed <= run.hours:
        raise ValueError(f"{manifest.end.hours_closed} of {run.hours} hours cannot be closed")
    for entry in manifest.timeline:
        for ts in (entry.now_ts, entry.target_ts):
            if ts is not None and not run.start_ts <= ts <= run.end_ts:
                raise ValueError(f"command {entry.number} is outside of the run")


def _version_of(content: bytes) -> str | None:
    """Return the rushhour that wrote a file, as far as it can be told."""
    try:
        return str(msgspec.json.decode(content)["versions"][RUSHHOUR])
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return None


class ManifestFile:
    """The manifest of a run in the state directory, written when there is something new.

    Parameters
    ----------
    client
        Redis of the run.
    directory
        The state directory. The manifest of the run before stays in it under another name.
    """

    def __init__(self, client: redis.Redis, directory: Path) -> None:
        self._client = client
        self._path = directory / FILE
        self._written: object = None
        with suppress(FileNotFoundError):
            self._path.replace(directory / PREVIOUS_FILE)

    def update(self) -> None:
        """Write the manifest if the run, its clock or its commands have changed.

        Raises
        ------
        StackError
            If the directory cannot be written.
        """
        pipe = self._client.pipeline(transaction=False)
        pipe.hget(keys.RUN, "run_id")
        pipe.hmget(keys.CLOCK, "state", "commands")
        pipe.hget(keys.RECOVERY, keys.LIBRARIES)
        found: Any = pipe.execute()
        if found != self._written:
            self.save()
            self._written = found

    def save(self) -> None:
        """Write the manifest as it is now.

        Raises
        ------
        StackError
            If the directory cannot be written.
        """
        with suppress(RedisFailure):  # a run that starts over is gone for a moment
            write_manifest(self._path, read_manifest(self._client))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest as a file that is whole whenever it is read; only the user may read it.

    Raises
    ------
    StackError
        If the file cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    try:
        write_private(path, text + b"\n")
    except OSError as error:
        raise StackError(f"{path}: {error.strerror}") from None
