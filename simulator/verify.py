"""Check a run against its file, by other means than the run itself used.

Rides are counted again with one pandas group-by over the raw file; the models are replayed
offline over those counts. What Redis holds must be the same: every zone and hour, every
ride, every prediction of every model to the last digit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import redis

from consumers import views
from core import keys
from core.hours import HOUR_MS, hour_label, parse_month
from core.models import MODELS, SERVED
from core.redis_client import read_hash
from core.run import RunInfo
from core.zones import FIRST_ZONE, LAST_ZONE, ZONE_COUNT, ZONE_IDS
from dataflows.counting import CityHour
from dataflows.forecasting import HourlyForecasting
from producers.datasets import ZONE_COLUMN, pickup_column
from producers.synthetic import synthetic_trips
from producers.trips import check_file
from simulator.screens import what_if
from simulator.surges import surge_counts

Table = pd.DataFrame  # hours x zones


@dataclass(frozen=True, slots=True)
class Check:
    """One question about a run, and its answer."""

    name: str
    passed: bool
    detail: str


def verify(client: redis.Redis, run: RunInfo, file: Path | None) -> Iterator[Check]:
    """Yield each check as it is done.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    quality = read_hash(client, keys.QUALITY)
    closed = int(quality.get("hours_closed", 0))
    yield Check(
        "the run is finished", closed == run.hours, f"{closed} of {run.hours} hours are closed"
    )
    expected = recount(run, file)
    rides = _matrix(views.hourly_rides(client), "rides", expected)
    missing = int(rides.isna().sum().sum())
    yield Check(
        "every zone and hour is there",
        missing == 0 and rides.shape == (run.hours, ZONE_COUNT),
        f"{run.hours} hours x {ZONE_COUNT} zones, {missing} missing",
    )
    different = int((rides.to_numpy() != expected.to_numpy()).sum())
    yield Check(
        "rides equal a recount of the file",
        different == 0,
        f"{int(expected.to_numpy().sum()):,} rides, {different} zone-hours differ"
        + (f" ({what_if(run)})" if run.surge else ""),
    )
    yield from _check_predictions(client, run, expected)
    due = run.hours * ZONE_COUNT
    scored = len(views.comparison(client))
    yield Check(
        "overlap is 1",
        scored == due and quality.get("overlap") == "1.0",
        f"{scored:,} of {due:,} pairs scored",
    )


def recount(run: RunInfo, file: Path | None) -> Table:
    """Count rides per hour and zone straight from the file, zeros included, with its surges."""
    trips = _raw_synthetic(run) if file is None else _raw_file(file, run.dataset)
    trips = trips.dropna()
    trips = trips[trips["zone"].between(FIRST_ZONE, LAST_ZONE)]
    counts = trips.groupby([trips["pickup"].dt.floor("h"), "zone"]).size().unstack(fill_value=0)
    month = counts.reindex(
        index=_hours(*parse_month(run.month)), columns=list(ZONE_IDS), fill_value=0
    )
    return surge_counts(month, run.surges).loc[_hours(run.start_ts, run.end_ts)]


def replay_models(start_ts: int, rides: Table) -> dict[str, Table]:
    """Return what each model predicts for each hour of `rides`, replayed offline."""
    forecasting = HourlyForecasting()
    forecast = forecasting.update(CityHour(start_ts, None))
    rows: dict[str, list[np.ndarray]] = {model: [] for model in MODELS}
    for i, row in enumerate(rides.to_numpy(np.int64)):
        for model in MODELS:
            rows[model].append(forecast.by_model[model])
        forecast = forecasting.update(CityHour(start_ts + i * HOUR_MS, row))
    return {
        model: pd.DataFrame(np.array(values), index=rides.index, columns=rides.columns)
        for model, values in rows.items()
    }


def _check_predictions(client: redis.Redis, run: RunInfo, rides: Table) -> Iterator[Check]:
    for model, expected in replay_models(run.start_ts, rides).items():
        found = _matrix(
            views.predictions(client, model=None if model == SERVED else model),
            "predicted_demand",
            expected,
        )
        same = (found.to_numpy() == expected.to_numpy()) | (
            found.isna().to_numpy() & expected.isna().to_numpy()
        )
        different = int((~same).sum())
        where = ""
        if different:
            hour, zone = np.argwhere(~same)[0]
            label = hour_label(run.start_ts + int(hour) * HOUR_MS)
            where = f"; the first at zone {expected.columns[zone]}, {label}"
        yield Check(
            f"predictions of {model} equal an offline replay",
            different == 0,
            f"{int(expected.notna().to_numpy().sum()):,} predictions, {different} differ{where}",
        )


def _hours(start_ts: int, end_ts: int) -> pd.DatetimeIndex:
    start, end = (pd.Timestamp(ts, unit="ms") for ts in (start_ts, end_ts))
    return pd.date_range(start, end, freq="h", inclusive="left")


def _matrix(table: pd.DataFrame, value: str, like: Table) -> Table:
    hours = table["pickup_hour"].dt.tz_localize(None)
    matrix = table.assign(hour=hours).pivot_table(
        index="hour", columns="pickup_location_id", values=value, aggfunc="last"
    )
    return matrix.reindex(index=like.index, columns=like.columns)


def _raw_file(file: Path, dataset: str) -> Table:
    check_file(file, dataset)
    pickup = pickup_column(dataset)
    frame = pd.read_parquet(file, columns=[pickup, ZONE_COLUMN])
    return frame.rename(columns={pickup: "pickup", ZONE_COLUMN: "zone"})


def _raw_synthetic(run: RunInfo) -> Table:
    pickup_ts, zone = synthetic_trips(run.dataset, run.month)
    return pd.DataFrame({"pickup": pd.to_datetime(pickup_ts, unit="ms"), "zone": zone})
