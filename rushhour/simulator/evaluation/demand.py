"""Rides per hour and zone to replay: of a trip file, of a file of hourly counts, or synthetic.

A backtest replays them; `verify` expects a run to have them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from producers.month.datasets import file_name, locate
from rushhour.core.errors import DataError, UsageError
from rushhour.core.hours import HOUR_MS, clock_label, parse_from, parse_month, parse_until
from rushhour.core.labels import source_label, surges_label
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.core.surges import check_begin, parse_surges
from rushhour.simulator.evaluation.counts import (
    Table,
    count_month,
    holds_hourly_counts,
    hours_between,
    read_hourly_counts,
)
from rushhour.simulator.evaluation.surges import surge_counts
from rushhour.simulator.runs import describe_run

# Settings that apply differently to a file of hourly counts: its hours need not be in one month.
_SPAN = ("from_hour", "until_hour", "surge")


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """Rides to replay (hours x zones, from `start_ts` on, epoch ms), and their source."""

    label: str
    start_ts: int
    rides: Table

    @property
    def end_ts(self) -> int:
        """End of the last hour."""
        return self.start_ts + len(self.rides) * HOUR_MS


@dataclass(frozen=True, slots=True, eq=False)
class Recount:
    """The rides of a run (hours x zones), and what became of the rows of its file.

    `usable` is the number of trips of the whole month, after surges.
    """

    rides: Table
    rows: int
    rejected: dict[str, int]
    usable: int


def recount(run: RunInfo, file: Path | None, hours: int | None = None) -> Recount:
    """Count rides per hour and zone straight from the file, zeros included, with its surges.

    They are those of the first hours of the run, of all if `hours` is None, at the times of the
    run: shifted, and in a loop again and again.
    """
    month = count_month(file, run.dataset, run.month)
    surged = surge_counts(month.table, run.surges)
    end_ts = run.end_ts if hours is None else run.start_ts + hours * HOUR_MS
    hour_ts = range(run.start_ts, end_ts, HOUR_MS)
    original = pd.DatetimeIndex([pd.Timestamp(run.original_ts(ts), unit="ms") for ts in hour_ts])
    rides = surged.loc[original].set_axis(hours_between(run.start_ts, end_ts))
    return Recount(rides, month.rows, month.rejected, int(surged.to_numpy().sum()))


def find_demand(flags: Mapping[str, Any], *, synthetic: bool) -> Demand:
    """Return the rides that the flags (and the environment) name.

    All hours of a file of hourly counts are used, unless a month or hours are given.

    Raises
    ------
    DataError
        If there is no file, it cannot be used, or the hours have no rides.
    UsageError
        If a flag has an invalid value.
    """
    if synthetic and flags.get("data") is not None:
        raise UsageError("--synthetic needs no file: remove --data")
    # Without hours: those of a file of hourly counts need not be in the month.
    base = Settings.load(**{k: v for k, v in flags.items() if k not in _SPAN})
    file = None if synthetic else _locate(base)
    if file is not None and holds_hourly_counts(file):
        demand = _of_hourly_counts(file, flags, base)
    else:
        demand = _of_month(file, Settings.load(**flags))
    if not demand.rides.to_numpy().any():
        raise DataError(
            f"{demand.label}: no rides from {clock_label(demand.start_ts)} to "
            f"{clock_label(demand.end_ts)}: check --month, --from and --until"
        )
    return demand


def _locate(settings: Settings) -> Path:
    file = locate(settings)
    if file is None:
        name = file_name(settings.dataset, settings.month)
        raise DataError(
            f"{name} is not on this machine: get it with `rushhour download`, name a file with "
            "--data, or pass --synthetic"
        )
    return file


def _of_month(file: Path | None, settings: Settings) -> Demand:
    # A backtest is of the trips of the file, at their own times.
    run = describe_run(settings.model_copy(update={"loop": False, "rebase": None}), file)
    return Demand(source_label(run), run.start_ts, recount(run, file).rides)


def _of_hourly_counts(file: Path, flags: Mapping[str, Any], base: Settings) -> Demand:
    table = read_hourly_counts(file)
    first = round(table.index[0].timestamp() * 1000)
    end = first + len(table) * HOUR_MS
    if any(o.name == "month" and o.origin != "default" for o in base.origins(dict(flags))):
        month_start, month_end = parse_month(base.month)
        if month_start >= end or month_end <= first:
            raise DataError(f"{file}: has {_span(first, end)}: check --month {base.month}")
        first, end = max(first, month_start), min(end, month_end)
    from_text, until_text, surge = (flags.get(name) or getattr(base, name) for name in _SPAN)
    start_ts = parse_from(from_text) if from_text else first
    end_ts = parse_until(until_text) + HOUR_MS if until_text else end
    if not first <= start_ts < end_ts <= end:
        raise UsageError(
            f"from {clock_label(start_ts)} until {clock_label(end_ts - HOUR_MS)} are not hours of "
            f"the file, {_span(first, end)}: check --from and --until"
        )
    surges = parse_surges(surge)
    check_begin(surges, end_ts)
    label = ", ".join(filter(None, (f"hourly rides of {file.name}", surges_label(surges))))
    changed = surge_counts(table, surges)
    return Demand(label, start_ts, changed.loc[hours_between(start_ts, end_ts)])


def _span(start_ts: int, end_ts: int) -> str:
    return f"{clock_label(start_ts)} to {clock_label(end_ts - HOUR_MS)}"
