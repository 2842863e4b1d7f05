"""The description of a run: written to Redis before it starts, read by all its processes.

A run has its own time, which only moves forward, and its trips have theirs: the two differ by whole
weeks if the run is rebased, and in a loop from its second pass on.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import PurePath

from rushhour.core.errors import UsageError
from rushhour.core.events import LATEST_MS
from rushhour.core.horizons import (
    NEXT_HOUR,
    ONLY_THE_NEXT_HOUR,
    Horizons,
    format_horizons,
    parse_horizons,
)
from rushhour.core.hours import HOUR_MS, WEEK_MS, hour_label, parse_label, parse_months
from rushhour.core.surges import Surge, parse_surges
from rushhour.core.version import VERSION

SYNTHETIC = "synthetic"
LOOP_WEEKS = 4  # the most weeks that a loop plays again
LOOP_END_TS = LATEST_MS  # where even a loop ends: event time knows no later hour


def new_run_id() -> str:
    """Return an id that no other run has."""
    return secrets.token_hex(6)


@dataclass(frozen=True, slots=True)
class TripFile:
    """The file of one month: its path, and its content by rows, size (bytes) and sha256 (hex)."""

    path: str
    rows: int
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The name of the file.

        >>> TripFile("/data/green_tripdata_2024-10.parquet", 1, 1, "").name
        'green_tripdata_2024-10.parquet'
        """
        return PurePath(self.path).name


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run over the hours of [`start_ts`, `end_ts`), both epoch milliseconds.

    `month` is a month, or several in a row, as `parse_months` reads them. `source` is the name of
    the trip file, the number of several files, or `synthetic`. `file` is the path of the file,
    empty for several and for synthetic data. `dataflows` and `consumers` are the numbers of
    processes that share the work. `surge` has the format of `format_surges`, and is empty if the
    trips are replayed unchanged. `models` are the names of all models, the served one first.
    `rows`, `size` (bytes) and `sha256` are those of the file, 0 and empty for synthetic data. Of
    several months, `files` has the file of each, `rows` and `size` are their sums, and `sha256` is
    that of their hashes (hex), in order. `version` is the rushhour that started the run.

    In a loop, `loop_ts` is the end of the first pass (epoch ms): from there on, the whole weeks
    before it (four at most) play again and again, each time shifted on by their length.
    `keep_hours` is how many closed hours Redis keeps; None for all. `rebase` is what was asked for,
    `shift_weeks` by how many weeks all times are later than those of the trip file. `horizons` are
    the hours ahead that are forecast, the next hour first.

    A run may begin with what another has learned: `warm_start` is the file of the saved model,
    `warm_sha256` its hash, `warm_hours` how many hours it has learned, and `warm_origin` says of
    what. They are empty, and 0, for a run that begins with nothing.
    """

    run_id: str
    dataset: str
    month: str
    source: str
    file: str
    start_ts: int
    end_ts: int
    dataflows: int = 1
    consumers: int = 1
    surge: str = ""
    models: tuple[str, ...] = ()
    rows: int = 0
    size: int = 0
    sha256: str = ""
    version: str = VERSION
    loop_ts: int | None = None
    keep_hours: int | None = None
    rebase: str = ""
    shift_weeks: int = 0
    warm_start: str = ""
    warm_sha256: str = ""
    warm_hours: int = 0
    warm_origin: str = ""
    files: tuple[TripFile, ...] = ()
    horizons: Horizons = ONLY_THE_NEXT_HOUR

    @property
    def months(self) -> tuple[str, ...]:
        """The months that are replayed, in order."""
        return parse_months(self.month)

    @property
    def trip_files(self) -> tuple[TripFile, ...]:
        """The file of each month; none for synthetic data."""
        if self.synthetic:
            return ()
        return self.files or (TripFile(self.file, self.rows, self.size, self.sha256),)

    def of_files(self, files: Sequence[TripFile]) -> "RunInfo":
        """Return a run of synthetic trips with these files instead, one of each month in order."""
        if not files:
            return self
        if len(files) == 1:
            (one,) = files
            return replace(
                self,
                source=one.name,
                file=one.path,
                rows=one.rows,
                size=one.size,
                sha256=one.sha256,
            )
        hashes = "".join(each.sha256 for each in files)
        return replace(
            self,
            source=f"{len(files)} files",
            rows=sum(each.rows for each in files),
            size=sum(each.size for each in files),
            sha256=hashlib.sha256(hashes.encode()).hexdigest(),
            files=tuple(files),
        )

    @property
    def first_pass_end_ts(self) -> int:
        """Where the trips of the file end (epoch ms): the end of the run, unless it is a loop."""
        return self.end_ts if self.loop_ts is None else self.loop_ts

    @property
    def loop_weeks(self) -> int:
        """How many weeks play again in each pass of a loop; 0 if it is none."""
        return 0 if self.loop_ts is None else whole_weeks(self.start_ts, self.loop_ts)

    @property
    def shift_ms(self) -> int:
        """By how much all times are later than those of the trip file."""
        return self.shift_weeks * WEEK_MS

    @property
    def original_span(self) -> tuple[int, int]:
        """The first instant and the end of the hours of the trip file that play (epoch ms)."""
        return self.start_ts - self.shift_ms, self.first_pass_end_ts - self.shift_ms

    def original_ts(self, ts: int) -> int:
        """Return the time in the trip file that plays at an instant of the run (both epoch ms)."""
        return ts - (self.pass_of(ts) - 1) * self.loop_weeks * WEEK_MS - self.shift_ms

    def pass_of(self, ts: int) -> int:
        """Return the pass of a loop that plays at an instant (epoch ms), from 1."""
        if ts < self.first_pass_end_ts or self.loop_ts is None:
            return 1
        return 2 + (ts - self.loop_ts) // (self.loop_weeks * WEEK_MS)

    @property
    def horizons_ahead(self) -> Horizons:
        """The horizons beyond the next hour."""
        return tuple(horizon for horizon in self.horizons if horizon != NEXT_HOUR)

    def is_forecast_ahead(self, hour: int, horizon: int) -> bool:
        """Whether an hour (epoch ms) is forecast so many hours ahead: the run had begun by then."""
        return hour >= self.start_ts + (horizon - NEXT_HOUR) * HOUR_MS

    def first_kept(self, next_ts: int) -> int:
        """Return the first hour that Redis keeps (epoch ms), given the first that is not closed."""
        if self.keep_hours is None:
            return self.start_ts
        return max(self.start_ts, next_ts - self.keep_hours * HOUR_MS)

    @property
    def synthetic(self) -> bool:
        """Whether the trips are synthetic."""
        return self.source == SYNTHETIC

    @property
    def surges(self) -> tuple[Surge, ...]:
        """The surges that are applied to the trips before they are replayed."""
        return parse_surges(self.surge)

    def replays_the_same_as(self, other: "RunInfo") -> bool:
        """Whether both runs have the same result, whatever their numbers of processes.

        The content of the file counts, not where it is or what it is called.
        """
        return not self.differences(other)

    def differences(self, other: "RunInfo") -> tuple[str, ...]:
        """Return which fields of `to_fields` differ, of those that the result depends on."""
        mine, others = self._result_of().to_fields(), other._result_of().to_fields()
        return tuple(name for name in mine if mine[name] != others[name])

    def _result_of(self) -> "RunInfo":
        """Return the run without what its result does not depend on."""
        source = SYNTHETIC if self.synthetic else ""
        return replace(
            self,
            run_id="",
            source=source,
            file="",
            files=(),
            dataflows=1,
            consumers=1,
            rebase="",
            warm_start="",
        )

    @property
    def hours(self) -> int:
        """The number of hours of the run: in a loop, all until `LOOP_END_TS`."""
        return (self.end_ts - self.start_ts) // HOUR_MS

    @property
    def processes(self) -> tuple[str, ...]:
        """The names of the processes of the run, as their leases have them.

        >>> RunInfo("id", "green", "2024-10", "a", "/a", 0, 1, dataflows=2).processes
        ('producer-0', 'dataflow-0', 'dataflow-1', 'consumer-0')
        """
        return (
            "producer-0",
            *(f"dataflow-{process}" for process in range(self.dataflows)),
            *(f"consumer-{process}" for process in range(self.consumers)),
        )

    def to_fields(self) -> dict[str, str | int]:
        """Return the run as the fields of a hash; with `files` if it has several."""
        fields: dict[str, str | int] = {
            "run_id": self.run_id,
            "dataset": self.dataset,
            "month": self.month,
            "source": self.source,
            "file": self.file,
            "from": hour_label(self.start_ts),
            "until": hour_label(self.first_pass_end_ts - HOUR_MS),
            "dataflows": self.dataflows,
            "consumers": self.consumers,
            "surge": self.surge,
            "models": ",".join(self.models),
            "rows": self.rows,
            "size": self.size,
            "sha256": self.sha256,
            "version": self.version,
            "loop_weeks": self.loop_weeks,
            "keep_hours": "" if self.keep_hours is None else self.keep_hours,
            "rebase": self.rebase,
            "shift_weeks": self.shift_weeks,
            "warm_start": self.warm_start,
            "warm_sha256": self.warm_sha256,
            "warm_hours": self.warm_hours,
            "warm_origin": self.warm_origin,
            "horizons": format_horizons(self.horizons),
        }
        if self.files:
            fields["files"] = json.dumps([astuple(each) for each in self.files])
        return fields

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "RunInfo":
        """Return the run from the fields of `to_fields`.

        Raises
        ------
        KeyError, ValueError
            If a field is missing, or cannot be read.
        """
        first_pass_end = parse_label(fields["until"]) + HOUR_MS
        loops = fields["loop_weeks"] != "0"
        return cls(
            run_id=fields["run_id"],
            dataset=fields["dataset"],
            month=fields["month"],
            source=fields["source"],
            file=fields["file"],
            start_ts=parse_label(fields["from"]),
            end_ts=LOOP_END_TS if loops else first_pass_end,
            dataflows=int(fields["dataflows"]),
            consumers=int(fields["consumers"]),
            surge=fields["surge"],
            models=tuple(filter(None, fields["models"].split(","))),
            rows=int(fields["rows"]),
            size=int(fields["size"]),
            sha256=fields["sha256"],
            version=fields["version"],
            loop_ts=first_pass_end if loops else None,
            keep_hours=int(fields["keep_hours"]) if fields["keep_hours"] else None,
            rebase=fields["rebase"],
            shift_weeks=int(fields["shift_weeks"]),
            warm_start=fields["warm_start"],
            warm_sha256=fields["warm_sha256"],
            warm_hours=int(fields["warm_hours"]),
            warm_origin=fields["warm_origin"],
            files=_read_files(fields.get("files", "[]")),
            horizons=parse_horizons(fields["horizons"]),
        )


def _read_files(text: str) -> tuple[TripFile, ...]:
    """Return the files of the field `files`."""
    try:
        return tuple(
            TripFile(str(path), int(rows), int(size), str(sha256))
            for path, rows, size, sha256 in json.loads(text)
        )
    except TypeError as error:
        raise ValueError(f"files {text!r}: {error}") from None


def check_horizon(run: RunInfo, horizon: int) -> None:
    """Check that a run forecasts so many hours ahead.

    Raises
    ------
    UsageError
        If it does not.
    """
    if horizon not in run.horizons:
        raise UsageError(
            f"the run does not forecast {horizon} hours ahead: it has horizons "
            f"{format_horizons(run.horizons)} (see --horizons)"
        )


def whole_weeks(start_ts: int, end_ts: int) -> int:
    """Return how many weeks a loop over these hours (epoch ms) plays again: the last whole ones."""
    return min(LOOP_WEEKS, (end_ts - start_ts) // WEEK_MS)
