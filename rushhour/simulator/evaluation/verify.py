"""Check a run against its file, independently of the processes that made it.

Rides are counted again with one pandas group-by over the raw file, and the forecasters are
replayed offline over those counts. Redis must hold the same for every closed hour: all rides,
every prediction of every model to the last digit, every interval and every alert.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import redis

from dataflows.forecasting.forecasters import model_names
from rushhour import views
from rushhour.core import keys
from rushhour.core.arrays import Floats
from rushhour.core.errors import VerificationError
from rushhour.core.events import direction_of
from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.core.labels import what_if
from rushhour.core.run import RunInfo
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT
from rushhour.runtime.redis_client import read_hash
from rushhour.simulator.evaluation.demand import recount
from rushhour.simulator.evaluation.live import read_run
from rushhour.simulator.evaluation.offline import replay
from rushhour.simulator.evaluation.run_arrays import RunArrays

Status = Literal["ok", "note", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One question about a run, and its answer. A note is neither right nor wrong."""

    name: str
    status: Status
    detail: str

    @classmethod
    def of(cls, name: str, passed: bool, detail: str) -> "Check":
        """Return a check that has passed or failed."""
        return cls(name, "ok" if passed else "fail", detail)

    @property
    def passed(self) -> bool:
        """Whether the check found nothing wrong."""
        return self.status != "fail"


def verify(client: redis.Redis, run: RunInfo, file: Path | None) -> Iterator[Check]:
    """Yield each check of the closed hours as it is done. An unfinished run gets a note.

    Raises
    ------
    DataError
        If the file cannot be read.
    VerificationError
        If the models of the run are not those of this installation.
    """
    _check_models(run)
    found = read_run(client, run)
    yield _progress(run, found.hours)
    if not found.hours:
        return
    expected = recount(run, file).to_numpy(np.int64)[: found.hours]
    missing = int(np.isnan(found.rides).sum())
    yield Check.of(
        "every zone and closed hour has rides",
        missing == 0,
        f"{found.hours} hours x {ZONE_COUNT} zones, {missing} missing",
    )
    different = int((found.rides != expected).sum())
    yield Check.of(
        "rides equal a recount of the file",
        different == 0,
        f"{int(expected.sum()):,} rides, {different} zone-hours differ"
        + (f" ({what_if(run)})" if run.surge else ""),
    )
    replayed = replay(run.start_ts, expected)
    for what, expected_values, found_values in _pairs(replayed, found):
        yield _compare(run, what, expected_values, found_values)
    yield _check_alerts(client, found)
    yield _check_overlap(client, found)


def _check_models(run: RunInfo) -> None:
    here = model_names()
    if run.models != here:
        raise VerificationError(
            f"the models of the run ({', '.join(run.models)}) are not those of this installation "
            f"({', '.join(here)}): verify it with the rushhour that made it"
        )


def _progress(run: RunInfo, hours: int) -> Check:
    count = f"{hours} of {run.hours} hours are closed"
    if hours == run.hours:
        return Check("the run is finished", "ok", count)
    compared = "only these are compared" if hours else "there is nothing to compare yet"
    return Check("the run is unfinished", "note", f"{count}: {compared}")


def _pairs(expected: RunArrays, found: RunArrays) -> Iterator[tuple[str, Floats, Floats]]:
    """Yield what is compared: a name, and two arrays of hours x zones."""
    for model, predicted in expected.forecast.by_model.items():
        yield f"predictions of {model}", predicted, found.forecast.by_model[model]
    yield "lower ends of intervals", expected.forecast.lower, found.forecast.lower
    yield "upper ends of intervals", expected.forecast.upper, found.forecast.upper
    yield "alerts", expected.alerts, found.alerts


def _compare(run: RunInfo, what: str, expected: Floats, found: Floats) -> Check:
    """Compare two arrays of hours x zones to the last digit; NaN equals NaN."""
    differ = ~((found == expected) | (np.isnan(found) & np.isnan(expected)))
    where = ""
    if differ.any():
        hour, column = np.argwhere(differ)[0]
        label = clock_label(run.start_ts + int(hour) * HOUR_MS)
        where = f"; the first at zone {FIRST_ZONE + column}, {label}"
    return Check.of(
        f"{what} equal an offline replay",
        not differ.any(),
        f"{int((~np.isnan(expected)).sum()):,} compared, {int(differ.sum())} differ{where}",
    )


def _check_alerts(client: redis.Redis, found: RunArrays) -> Check:
    """Check that the stream has the alerts of the closed hours, each once."""
    end_ts = found.start_ts + found.hours * HOUR_MS
    table = views.alerts(client)
    table = table[table["pickup_hour"] < pd.Timestamp(end_ts, unit="ms", tz="UTC")]
    hour, column = np.nonzero(~np.isnan(found.alerts))
    expected = [
        (int(found.start_ts + i * HOUR_MS), FIRST_ZONE + int(j), direction_of(change), change)
        for i, j, change in zip(hour, column, found.alerts[hour, column].tolist(), strict=True)
    ]
    streamed = list(
        zip(
            table["pickup_hour"].dt.tz_localize(None).astype("datetime64[ms]").astype(np.int64),
            table["pickup_location_id"],
            table["direction"],
            table["relative_change"],
            strict=True,
        )
    )
    wrong = len(set(expected) ^ set(streamed)) + len(streamed) - len(set(streamed))
    return Check.of(
        "the stream of alerts has each alert once",
        streamed == expected,
        f"{len(streamed):,} alerts, {wrong} missing, wrong or repeated",
    )


def _check_overlap(client: redis.Redis, found: RunArrays) -> Check:
    due = found.hours * ZONE_COUNT
    last_hour = found.start_ts + (found.hours - 1) * HOUR_MS
    scored = len(views.comparison(client, found.start_ts, last_hour))
    overlap = read_hash(client, keys.QUALITY).get("overlap")
    return Check.of(
        "overlap is 1",
        scored == due and overlap == "1.0",
        f"{scored:,} of {due:,} pairs scored",
    )
