"""Rides per hour and zone to replay: of a trip file, of a file of hourly counts, or synthetic.

A backtest replays them; `verify` expects a run to have them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from producers.month.datasets import download_command, file_name, locate
from rushhour.core.errors import DataError, UsageError
from rushhour.core.hours import HOUR_MS, clock_label, months_span, parse_from, parse_until
from rushhour.core.labels import source_label, surges_label
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.core.surges import check_begin, parse_surges
from rushhour.simulator.evaluation.counts import (
    Table,
    count_months,
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

    dataset: str
    label: str
    start_ts: int
    rides: Table

    @property
    def end_ts(self) -> int:
        """End of the last hour."""
        return self.start_ts + len(self.rides) * HOUR_MS


@dataclass(frozen=True, slots=True, eq=False)
class Recount:
    """The rides of a run (hours x zones), and what became of the rows of its files.

    `usable` is the number of trips of the whole months, after surges.
    """

    rides: Table
    rows: int
    rejected: dict[str, int]
    usable: int


def recount(run: RunInfo, files: Sequence[Path], hours: int | None = None) -> Recount:
    """Count rides per hour and zone straight from the files, zeros included, with its surges.

    They are those of the first hours of the run, of all if `hours` is None, at the times of the
    run: shifted, and in a loop again and again.
    """
    counted = count_months(files, run.dataset, run.months)
    surged = surge_counts(counted.table, run.surges)
    end_ts = run.end_ts if hours is None else run.start_ts + hours * HOUR_MS
    hour_ts = range(run.start_ts, end_ts, HOUR_MS)
    original = pd.DatetimeIndex([pd.Timestamp(run.original_ts(ts), unit="ms") for ts in hour_ts])
    rides = surged.loc[original].set_axis(hours_between(run.start_ts, end_ts))
    return Recount(rides, counted.rows, counted.rejected, int(surged.to_numpy().sum()))


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
    if not synthetic and base.data is not None and holds_hourly_counts(base.data):
        demand = _of_hourly_counts(base.data, flags, base)
    else:
        files = () if synthetic else _locate(base)
        demand = _of_months(files, Settings.load(**flags))
    if not demand.rides.to_numpy().any():
        raise DataError(
            f"{demand.label}: no rides from {clock_label(demand.start_ts)} to "
            f"{clock_label(demand.end_ts)}: check --month, --from and --until"
        )
    return demand


def _locate(settings: Settings) -> list[Path]:
    files = []
    for month, file in locate(settings).items():
        if file is None:
            ways = f"get it with {download_command(settings)}, "
            ways += "name a file with --data, " if len(settings.months) == 1 else ""
            raise DataError(
                f"{file_name(settings.dataset, month)} is not on this machine: {ways}"
                "or pass --synthetic"
            )
        files.append(file)
    return files


def _of_months(files: Sequence[Path], settings: Settings) -> Demand:
    # A backtest is of the trips of the files, at their own times.
    changes = {"loop": False, "rebase": None, "warm_start": None}
    run = describe_run(settings.model_copy(update=changes), files)
    return Demand(run.dataset, source_label(run), run.start_ts, recount(run, files).rides)


def _of_hourly_counts(file: Path, flags: Mapping[str, Any], base: Settings) -> Demand:
    table = read_hourly_counts(file)
    first = round(table.index[0].timestamp() * 1000)
    end = first + len(table) * HOUR_MS
    if any(o.name == "month" and o.origin != "default" for o in base.origins(dict(flags))):
        month_start, month_end = months_span(base.months)
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
    return Demand(base.dataset, label, start_ts, changed.loc[hours_between(start_ts, end_ts)])


def _span(start_ts: int, end_ts: int) -> str:
    return f"{clock_label(start_ts)} to {clock_label(end_ts - HOUR_MS)}"
