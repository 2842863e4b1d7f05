"""A saved model: all that a `ForecastEngine` has learned, as a file that another run begins with.

The file is one of `numpy.savez`: arrays, the graph of the objects that hold them, and a header,
both as JSON. It is no pickle: whoever reads the file of a stranger runs no code of it.

A state means something to the code that made it only. The header has a hash of the code of the
forecasters and the versions of the libraries they build on; with any other, the file is refused.
"""

import hashlib
import io
import json
import zipfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

import dataflows.forecasting
from dataflows.forecasting.engine import ForecastEngine
from dataflows.forecasting.state.graph import Graph, build, flatten
from dataflows.forecasting.state.schema import Schema
from rushhour.core.errors import UsageError
from rushhour.core.horizons import ONLY_THE_NEXT_HOUR, Horizons, format_horizons
from rushhour.core.hours import HOUR_MS, WEEK_MS, clock_label, weekday_label
from rushhour.core.run import RunInfo
from rushhour.core.version import VERSION, format_versions, library_versions
from rushhour.core.zones import ZONE_COUNT

_FORMAT = 1
_HEADER, _GRAPH = "header", "graph"
_SAVE_AGAIN = "save it again with the rushhour of this run"


class Learned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Consecutive hours that a model has learned: those of [`start_ts`, `end_ts`), epoch ms.

    `data` says what was replayed, in words.
    """

    dataset: str
    data: str
    start_ts: int
    end_ts: int

    @property
    def hours(self) -> int:
        """The number of hours."""
        return (self.end_ts - self.start_ts) // HOUR_MS

    def __str__(self) -> str:
        """Return the hours, and what they are of."""
        return f"{self.data}, {clock_label(self.start_ts)} to {clock_label(self.end_ts)}"


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    rushhour: str
    libraries: dict[str, str]
    code: str
    zones: int
    horizons: Horizons
    learned: tuple[Learned, ...]


class SavedModel(NamedTuple):
    """A saved model that has been read: its state, and where that comes from.

    `learned` are the hours that it has learned, those of the latest run last. `version` is the
    rushhour that saved it, `sha256` the hash of the file.
    """

    engine: ForecastEngine
    learned: tuple[Learned, ...]
    version: str
    sha256: str

    @property
    def hours(self) -> int:
        """How many hours it has learned, of all runs."""
        return sum(each.hours for each in self.learned)

    @property
    def next_ts(self) -> int:
        """The hour after the last one learned, epoch milliseconds."""
        return self.learned[-1].end_ts

    @property
    def origin(self) -> str:
        """What it has learned, in words."""
        before = self.hours - self.learned[-1].hours
        earlier = f", after {before:,} hours of earlier runs" if before else ""
        return f"{self.learned[-1]}{earlier} ({self.hours:,} hours, rushhour {self.version})"

    def check_fits(
        self,
        path: Path,
        dataset: str,
        start_ts: int,
        horizons: Horizons = ONLY_THE_NEXT_HOUR,
    ) -> None:
        """Check that a run of a dataset from `start_ts` on (epoch ms) can begin with it.

        Raises
        ------
        UsageError
            If the dataset or the horizons are others, or the hour of the week is: the state refers
            to the past by numbers of hours, such as to the same hour of last week 168 hours ago.
        """
        learned = self.learned[-1].dataset
        if learned != dataset:
            raise UsageError(
                f"{path} has learned {learned}, and this run is of {dataset}: name a model of "
                "that dataset"
            )
        if self.engine.horizons != horizons:
            raise UsageError(
                f"{path} forecasts the horizons {format_horizons(self.engine.horizons)}, and this "
                f"run {format_horizons(horizons)}: save a model of these"
            )
        late = (self.next_ts - start_ts) % WEEK_MS
        if late:
            first = start_ts + late
            raise UsageError(
                f"{path} continues on {weekday_label(self.next_ts)}, and this run begins on "
                f"{weekday_label(start_ts)}: begin it at the same hour of the week, such as with "
                f"--from '{clock_label(first)}', or save the model up to an earlier hour, with "
                f"--until '{clock_label(self.next_ts - late - HOUR_MS)}'"
            )


@cache
def code_hash() -> str:
    """Return a hash of the code that learns and predicts, and of the files that it saves."""
    digest = hashlib.sha256()
    root = Path(dataflows.forecasting.__path__[0])
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def encode_model(
    engine: ForecastEngine, learned: Learned, before: SavedModel | None = None
) -> bytes:
    """Return a saved model as the content of a file: the same for the same hours.

    Parameters
    ----------
    engine
        Has learned an hour and not yet predicted the next one.
    learned
        The hours that it has learned.
    before
        What it began these hours with.

    Raises
    ------
    UsageError
        If the state holds what cannot be saved. Names the attribute.
    """
    engine.take_failures()  # they have been told
    fault = _schema(engine.horizons).fault_of(engine)
    try:
        graph = flatten(engine)
    except TypeError as error:
        fault = str(error)
    if fault:
        raise UsageError(
            f"the models cannot be saved: {fault}: keep the state of a forecaster in numbers, "
            "arrays and objects that it has from the start"
        )
    spans = (*(() if before is None else before.learned), learned)
    header = _Header(
        _FORMAT, VERSION, library_versions(), code_hash(), ZONE_COUNT, engine.horizons, spans
    )
    texts = {_HEADER: msgspec.json.encode(header), _GRAPH: json.dumps(graph.nodes).encode()}
    entries = {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **entries, **graph.arrays)
    return file.getvalue()


def load_model(path: Path) -> SavedModel:
    """Read a saved model.

    Raises
    ------
    UsageError
        If the file does not exist, is damaged or no saved model, or its state is not one of this
        code and these libraries.
    """
    return decode_model(read_model(path), path)


def load_model_of(run: RunInfo, path: Path | None) -> SavedModel | None:
    """Return the saved model that a run begins with; None for a run that begins without.

    Parameters
    ----------
    path
        Where the saved model is; None if that is not known.

    Raises
    ------
    UsageError
        If the file is not that of the run, or cannot be used.
    """
    if not run.warm_sha256:
        if path is not None:
            raise UsageError(f"the run begins without a saved model: {path} is not of it")
        return None
    named = f"the run begins with a saved model (sha256 {run.warm_sha256[:12]})"
    if path is None:
        raise UsageError(f"{named}: say where it is with --warm-start or RUSHHOUR_WARM_START")
    content = read_model(path)
    found = hashlib.sha256(content).hexdigest()
    if found != run.warm_sha256:
        raise UsageError(f"{named}, and {path} is another file (sha256 {found[:12]})")
    return decode_model(content, path)


def engine_of(model: SavedModel | None, horizons: Horizons = ONLY_THE_NEXT_HOUR) -> ForecastEngine:
    """Return the state of a saved model; that of models that have learned nothing without one."""
    return ForecastEngine(horizons) if model is None else model.engine.snapshot()


def read_model(path: Path) -> bytes:
    """Return the content of the file of a saved model.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}: name a model that `rushhour model save` has written"
        ) from None


def decode_model(content: bytes, path: Path) -> SavedModel:
    """Return the saved model of the content of a file; `path` is for messages."""
    texts, arrays = _read(content, path)
    header = _header(texts[_HEADER], path)
    engine = _engine(Graph(_json(texts[_GRAPH], path), arrays), header, path)
    sha256 = hashlib.sha256(content).hexdigest()
    return SavedModel(engine, header.learned, header.rushhour, sha256)


def _read(content: bytes, path: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the texts and the arrays of a file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # What is not compressed is not larger than the file either.
            stored = all(each.compress_type == zipfile.ZIP_STORED for each in archive.filelist)
            if not stored or archive.testzip() is not None:
                raise _damaged(path)
        with np.load(io.BytesIO(content), allow_pickle=False) as entries:
            arrays = {name: entries[name] for name in entries.files}
        return {name: arrays.pop(name).tobytes() for name in (_HEADER, _GRAPH)}, arrays
    except UsageError:
        raise
    except Exception:  # the readers of zip and of arrays raise many kinds for what is no such file
        raise _damaged(path) from None


def _damaged(path: Path) -> UsageError:
    return UsageError(
        f"{path} is not a saved model, or is damaged: name a file that `rushhour model save` has "
        "written"
    )


def _json(text: bytes, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _damaged(path) from None


def _header(text: bytes, path: Path) -> _Header:
    """Return the header of a file that this code can read."""
    version = _json(text, path)
    if isinstance(version, dict) and version.get("format") != _FORMAT:
        raise UsageError(
            f"{path} has format {version.get('format')}, and this rushhour reads format "
            f"{_FORMAT}: {_SAVE_AGAIN}"
        )
    try:
        header = msgspec.json.decode(text, type=_Header)
    except msgspec.MsgspecError:
        raise _damaged(path) from None
    if not header.learned or any(each.hours < 1 for each in header.learned):
        raise _damaged(path)
    installed = library_versions()
    if header.libraries != installed:
        raise UsageError(
            f"{path} was saved with {format_versions(header.libraries)}, and this is "
            f"{format_versions(installed)}: install the former, or {_SAVE_AGAIN}"
        )
    if header.zones != ZONE_COUNT:
        raise UsageError(f"{path} is of {header.zones} zones instead of {ZONE_COUNT}")
    if header.code != code_hash():
        raise UsageError(
            f"{path} is of the forecasters of rushhour {header.rushhour} (code "
            f"{header.code[:12]}), and those of this one are others (rushhour {VERSION}, code "
            f"{code_hash()[:12]}): {_SAVE_AGAIN}"
        )
    return header


def _engine(graph: Graph, header: _Header, path: Path) -> ForecastEngine:
    """Return the engine of a graph, once a copy of it has predicted and learned the next hour."""
    hour_ts = header.learned[-1].end_ts
    try:
        schema = _schema(header.horizons)
        engine = build(graph, schema.classes)
        fault = schema.fault_of(engine)
        if not fault and isinstance(engine, ForecastEngine):
            trial = engine.snapshot()
            _predict_and_learn(trial, hour_ts)
            _predict_and_learn(trial, hour_ts + HOUR_MS)
            return engine
    except Exception as error:  # whatever a state does that no forecaster has made
        fault = f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
    raise UsageError(
        f"{path} does not hold the state of the forecasters ({fault}): name a file that "
        "`rushhour model save` has written"
    )


def _predict_and_learn(engine: ForecastEngine, hour_ts: int) -> None:
    engine.predict_one(hour_ts)
    engine.predict_ahead()
    engine.learn_one(hour_ts, np.zeros(ZONE_COUNT, np.int64))


@cache
def _schema(horizons: Horizons) -> Schema:
    new, learned = ForecastEngine(horizons), ForecastEngine(horizons)
    _predict_and_learn(learned, 0)
    return Schema(new, learned)
