"""Check a run against its file, by other means than the run itself used.

Rides are counted again with one pandas group-by over the raw file; the models are replayed
offline over those counts. What Redis holds must be the same: every zone and hour, every
ride, every prediction of every model to the last digit, every interval and every alert.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import redis

from dataflows.forecasting.forecasters import model_names
from rushhour import views
from rushhour.core import keys
from rushhour.core.errors import VerificationError
from rushhour.core.events import direction_of
from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.core.labels import what_if
from rushhour.core.run import RunInfo
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT
from rushhour.runtime.redis_client import read_hash
from rushhour.simulator.evaluation.demand import recount
from rushhour.simulator.evaluation.offline import replay
from rushhour.simulator.evaluation.run_arrays import read_drift, read_forecasts
from rushhour.simulator.evaluation.scoring import Floats


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
    VerificationError
        If the models of the run are not those that are here to be replayed.
    """
    _check_models(run)
    quality = read_hash(client, keys.QUALITY)
    closed = int(quality.get("hours_closed", 0))
    yield Check(
        "the run is finished", closed == run.hours, f"{closed} of {run.hours} hours are closed"
    )
    expected = recount(run, file).to_numpy(np.int64)
    found = read_forecasts(client, run)
    missing = int(np.isnan(found.rides).sum())
    yield Check(
        "every zone and hour is there",
        missing == 0,
        f"{run.hours} hours x {ZONE_COUNT} zones, {missing} missing",
    )
    different = int((found.rides != expected).sum())
    yield Check(
        "rides equal a recount of the file",
        different == 0,
        f"{int(expected.sum()):,} rides, {different} zone-hours differ"
        + (f" ({what_if(run)})" if run.surge else ""),
    )
    replayed = replay(run.start_ts, expected)
    forecasts = replayed.forecasts
    for model, predicted in forecasts.by_model.items():
        yield _compare(run, f"predictions of {model}", predicted, found.by_model[model])
    yield _compare(run, "lower ends of intervals", forecasts.lower, found.lower)
    yield _compare(run, "upper ends of intervals", forecasts.upper, found.upper)
    yield _compare(run, "alerts", replayed.drift, read_drift(client, run))
    yield _check_alerts(client)
    due = run.hours * ZONE_COUNT
    scored = len(views.comparison(client))
    yield Check(
        "overlap is 1",
        scored == due and quality.get("overlap") == "1.0",
        f"{scored:,} of {due:,} pairs scored",
    )


def _check_models(run: RunInfo) -> None:
    here = model_names()
    if run.models != here:
        raise VerificationError(
            f"the models of the run ({', '.join(run.models)}) are not those of this installation "
            f"({', '.join(here)}): verify it with the rushhour that made it"
        )


def _compare(run: RunInfo, what: str, expected: Floats, found: Floats) -> Check:
    """Compare two arrays of hours x zones to the last digit; NaN is as good as NaN."""
    differ = ~((found == expected) | (np.isnan(found) & np.isnan(expected)))
    where = ""
    if differ.any():
        hour, column = np.argwhere(differ)[0]
        label = clock_label(run.start_ts + int(hour) * HOUR_MS)
        where = f"; the first at zone {FIRST_ZONE + column}, {label}"
    return Check(
        f"{what} equal an offline replay",
        not differ.any(),
        f"{int((~np.isnan(expected)).sum()):,} compared, {int(differ.sum())} differ{where}",
    )


def _check_alerts(client: redis.Redis) -> Check:
    """Check what the alerts say beside their figure, and that none is there twice."""
    alerts = views.alerts(client)
    misnamed = int((alerts["what"] != alerts["change"].map(direction_of)).sum())
    twice = int(alerts.duplicated(["pickup_hour", "pickup_location_id"]).sum())
    return Check(
        "alerts say what they found, once",
        misnamed == 0 and twice == 0,
        f"{len(alerts):,} alerts, {misnamed} misnamed, {twice} repeated",
    )
