"""Writes the files of an export: a Parquet file for each table, and a text about the run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import redis

from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.core.labels import closed_hours_label, content_label, source_label
from rushhour.core.models import NOMINAL_COVERAGE
from rushhour.simulator.export.directory import new_directory
from rushhour.simulator.export.tables import Closed, RunTable, check_same_run, run_tables

ABOUT = "README.txt"


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file of an export: its name, the rows of its table, and its size in bytes."""

    name: str
    rows: int
    size: int


def export(client: redis.Redis, closed: Closed, directory: Path) -> tuple[TableFile, ...]:
    """Write the tables of a run to a new directory: all files, or none.

    Raises
    ------
    RedisFailure
        If another run takes the place of this one.
    UsageError
        If the directory cannot be written.
    """
    with new_directory(directory) as part:
        files = tuple(_write(table, part) for table in run_tables(client, closed))
        (part / ABOUT).write_text("\n".join(_about(closed)) + "\n", encoding="utf-8")
        check_same_run(client, closed)
    return files


def _write(table: RunTable, directory: Path) -> TableFile:
    path = directory / f"{table.name}.parquet"
    rows = 0
    # A file of Python: what fails to be written is an OSError as everywhere.
    with path.open("wb") as file, pq.ParquetWriter(file, table.schema) as writer:
        for part in table.parts:
            writer.write_table(part)
            rows += part.num_rows
    return TableFile(path.name, rows, path.stat().st_size)


def _about(closed: Closed) -> Iterator[str]:
    run = closed.run
    yield f"A run of rushhour {run.version}: {source_label(run)}"
    yield f"run         {run.run_id}"
    first, end = clock_label(run.start_ts), clock_label(closed.last_ts + HOUR_MS)
    count = closed_hours_label(run, closed.hours_closed, unit="")
    yield f"hours       {count} closed, {first} to {end}"
    if closed.first_ts > run.start_ts:
        yield f"exported    the last {closed.hours} of them: Redis keeps no others"
    yield f"models      {', '.join(run.models)}; served: {run.models[0]}"
    for file in run.trip_files:
        yield f"trip file   {f'{file.name}, ' if run.files else ''}{content_label(file)}"
    yield ""
    yield "hourly_rides.parquet   rides of each zone and closed hour"
    yield "predictions.parquet    predictions of each model, for these hours and the next"
    yield "comparison.parquet     predictions of the served model joined with rides"
    yield "alerts.parquet         where rides drifted away from predictions"
    if run.horizons_ahead:
        yield "comparison_ahead.parquet   the same for predictions made several hours ahead"
    yield ""
    yield "Times are New York wall-clock times, labelled UTC. pickup_hour is the start of the hour,"
    yield "pickup_ts the same in epoch milliseconds. predicted_demand is the expected number of"
    yield "rides: sums of it are expected sums. prediction_error is predicted_demand minus rides."
    yield "predicted_median is as likely too high as too low. lower and upper are the ends of the"
    yield f"{100 * NOMINAL_COVERAGE:.0f} % interval, both included. Only the served model has them."
