"""The tables of an export: those of `rushhour.views`, with one schema whatever they hold."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import redis

from rushhour import views
from rushhour.core import table_columns as columns
from rushhour.core.errors import RedisFailure
from rushhour.core.hours import HOUR_MS
from rushhour.core.run import RunInfo
from rushhour.storage.clock import last_hour_closed
from rushhour.storage.runs import load_run
from rushhour.storage.submissions import submitted_models

MODEL = "model"
HORIZON = "horizon"
RUN_METADATA = b"rushhour"  # key of the schema's metadata with the fields of `sim:run`, as JSON

_HOUR = pa.field(columns.HOUR, pa.timestamp("us", "UTC"))  # what Spark, DuckDB and pandas all read
_ZONE = pa.field(columns.ZONE, pa.int64())
_PREDICTED = pa.field(columns.PREDICTED, pa.float64())
_RIDES = pa.field(columns.RIDES, pa.int64())
_OF_SERVED = tuple(pa.field(name, pa.float64()) for name in (columns.MEDIAN, "lower", "upper"))

HOURLY_RIDES = pa.schema([_HOUR, _RIDES, _ZONE, pa.field(columns.TS, pa.int64())])
PREDICTIONS = pa.schema(
    [
        pa.field(MODEL, pa.dictionary(pa.int32(), pa.string())),
        _ZONE,
        _PREDICTED,
        _HOUR,
        *_OF_SERVED,
    ]
)
COMPARISON = pa.schema(
    [_HOUR, _ZONE, _PREDICTED, _RIDES, pa.field(columns.ERROR, pa.float64()), *_OF_SERVED]
)
COMPARISON_AHEAD = pa.schema([pa.field(HORIZON, pa.int64()), *COMPARISON])
ALERTS = pa.schema(
    [
        _HOUR,
        _ZONE,
        pa.field("direction", pa.string()),
        pa.field("relative_change", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class RunTable:
    """A table of an export: its name, its schema, and its rows in one part or more.

    Each part becomes a row group, which a reader that filters can pass over.
    """

    name: str
    schema: pa.Schema
    parts: Iterator[pa.Table]


@dataclass(frozen=True, slots=True)
class Closed:
    """The run, and the hours that Redis had of it when the export began.

    `first_ts` is the first one that was kept, `last_ts` the last one that was closed (epoch ms).
    """

    run: RunInfo
    first_ts: int
    last_ts: int

    @classmethod
    def read(cls, client: redis.Redis) -> "Closed":
        """Read what there is to export.

        Raises
        ------
        RedisFailure
            If Redis holds no run, or no hour is closed yet.
        """
        run, last_ts = load_run(client), last_hour_closed(client)
        if last_ts is None:
            raise RedisFailure("no hour is closed yet: nothing to export: try again in a moment")
        return cls(run, run.first_kept(last_ts + HOUR_MS), last_ts)

    @property
    def hours(self) -> int:
        """The number of hours that are exported."""
        return (self.last_ts - self.first_ts) // HOUR_MS + 1

    @property
    def hours_closed(self) -> int:
        """The number of closed hours, those that are not kept too."""
        return (self.last_ts - self.run.start_ts) // HOUR_MS + 1


def run_tables(client: redis.Redis, closed: Closed) -> Iterator[RunTable]:
    """Yield the tables of a run up to one hour, whatever is closed meanwhile.

    Predictions are those of every model, of users too, for these hours and for the next.
    """
    span = closed.first_ts, closed.last_ts
    metadata = _metadata(closed.run)

    def table(name: str, schema: pa.Schema, parts: Iterator[pd.DataFrame]) -> RunTable:
        schema = schema.with_metadata(metadata)
        return RunTable(name, schema, (_arrow(part, schema) for part in parts))

    yield table("hourly_rides", HOURLY_RIDES, iter([views.hourly_rides(client, *span)]))
    yield table("predictions", PREDICTIONS, _predictions(client, closed))
    yield table("comparison", COMPARISON, iter([views.comparison(client, *span)]))
    yield table("alerts", ALERTS, iter([_alerts(client, closed.last_ts)]))
    if closed.run.horizons_ahead:
        yield table("comparison_ahead", COMPARISON_AHEAD, _ahead(client, closed))


def check_same_run(client: redis.Redis, closed: Closed) -> None:
    """Refuse tables that were read while another run took the place of theirs.

    Raises
    ------
    RedisFailure
        If it did.
    """
    if load_run(client).run_id != closed.run.run_id:
        raise RedisFailure("another run has started on this Redis: nothing is exported: try again")


def _predictions(client: redis.Redis, closed: Closed) -> Iterator[pd.DataFrame]:
    span = closed.first_ts, closed.last_ts + HOUR_MS
    for model in (*closed.run.models, *submitted_models(client)):
        yield views.predictions(client, *span, model=model).assign(**{MODEL: model})


def _ahead(client: redis.Redis, closed: Closed) -> Iterator[pd.DataFrame]:
    span = closed.first_ts, closed.last_ts
    for horizon in closed.run.horizons_ahead:
        yield views.comparison(client, *span, horizon=horizon).assign(**{HORIZON: horizon})


def _alerts(client: redis.Redis, last_ts: int) -> pd.DataFrame:
    table = views.alerts(client)
    return table[table[columns.HOUR] <= pd.Timestamp(last_ts, unit="ms", tz="UTC")]


def _arrow(part: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Return a part with all columns of the schema: some only the served model has."""
    whole = part.reindex(columns=schema.names)
    return pa.Table.from_pandas(whole, schema, preserve_index=False)


def _metadata(run: RunInfo) -> dict[bytes, bytes]:
    return {RUN_METADATA: json.dumps(run.to_fields()).encode()}
