"""`rushhour backtest`: find the rides, replay the models over them, and say how good they are."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from core.errors import DataError, UsageError
from core.hours import HOUR_MS, clock_label, parse_from, parse_month, parse_until
from core.models import DECIMALS
from core.settings import Settings
from core.surge import Surge, parse_surges
from core.zones import FIRST_ZONE, ZONE_IDS
from producers.datasets import file_name, locate
from simulator.backtest import Backtest, replay
from simulator.counts import (
    Table,
    count_month,
    holds_hourly_counts,
    hours_between,
    read_hourly_counts,
)
from simulator.options import cannot_write
from simulator.prepare import describe_run
from simulator.scoring import Forecasts, judge
from simulator.screens import facts_grid, source_label, surges_label
from simulator.surges import surge_counts
from simulator.tables import coverage_by_band, scores_by_borough, scores_by_model


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """Rides to replay (hours x zones, from `start_ts` on, epoch ms), and what they are called."""

    label: str
    start_ts: int
    rides: Table

    @property
    def end_ts(self) -> int:
        """End of the last hour."""
        return self.start_ts + len(self.rides) * HOUR_MS


def backtest(
    console: Console,
    flags: Mapping[str, Any],
    *,
    synthetic: bool,
    csv: Path | None,
    plot: Path | None,
    plotted_zone: int | None,
) -> None:
    """Backtest what the flags name, and print the scores.

    Parameters
    ----------
    flags
        Flags of `Settings.load` that say what to replay.
    synthetic
        Replay a made-up month.
    csv, plot
        Files to write every prediction to, and the picture of a zone.
    plotted_zone
        Location id of that zone; the busiest one if None.

    Raises
    ------
    DataError
        If there is no file, or it cannot be used.
    UsageError
        If a flag cannot be used.
    """
    started = time.monotonic()
    demand = find_demand(flags, synthetic=synthetic)
    read_s = time.monotonic() - started
    counts = demand.rides.to_numpy(np.int64)
    with _progress(console, len(counts)) as progress:
        replayed = replay(demand.start_ts, counts, progress)
    replay_s = time.monotonic() - started - read_s
    judged = judge(replayed.forecasts)
    facts = facts_grid()
    facts.add_row("backtest of", demand.label)
    facts.add_row(
        "hours",
        f"{len(counts)} ({clock_label(demand.start_ts)} to {clock_label(demand.end_ts)})",
    )
    facts.add_row("rides", f"{counts.sum():,}")
    facts.add_row("alerts", f"{int((~np.isnan(replayed.drift)).sum()):,}")
    facts.add_row(
        "took", f"{read_s:.1f} s to read the rides, {replay_s:.1f} s to forecast and learn"
    )
    for part in (facts, Text(), scores_by_model(judged), scores_by_borough(judged)):
        console.print(part)
    console.print(coverage_by_band(judged))
    if csv is not None:
        rows = write_csv(replayed, csv)
        console.print(f"{rows:,} rows written to {csv}", soft_wrap=True)
    if plot is not None:
        zone = plotted_zone or busiest_zone(replayed.forecasts)
        _draw(replayed.forecasts, zone, demand.label, plot)
        console.print(f"zone {zone} drawn to {plot}", soft_wrap=True)


def find_demand(flags: Mapping[str, Any], *, synthetic: bool) -> Demand:
    """Return the rides that the flags (and the environment) name.

    A file of hourly counts is taken whole, unless a month or hours are asked for.

    Raises
    ------
    DataError
        If there is no file, it cannot be used, or no ride is in the hours asked for.
    UsageError
        If a flag cannot be used.
    """
    if synthetic and flags.get("data") is not None:
        raise UsageError("--synthetic is a month without a file: leave out --data")
    # Hours are left out here: those of a file of counts need not be within a month.
    base = Settings.load(**{k: v for k, v in flags.items() if k not in _SPAN})
    file = None if synthetic else _locate(base)
    if file is not None and holds_hourly_counts(file):
        demand = _of_hourly_counts(file, flags, base)
    else:
        demand = _of_month(file, Settings.load(**flags))
    if not demand.rides.to_numpy().any():
        raise DataError(
            f"{demand.label}: no ride from {clock_label(demand.start_ts)} to "
            f"{clock_label(demand.end_ts)}: check --month, --from and --until"
        )
    return demand


def busiest_zone(forecasts: Forecasts) -> int:
    """Return the zone with the most rides."""
    return FIRST_ZONE + int(forecasts.rides.sum(axis=0).argmax())


def write_csv(replayed: Backtest, path: Path) -> int:
    """Write a row for each hour and zone, as `compare` does, and return how many.

    After its columns come the predictions of the other models, each under its name.

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    forecasts = replayed.forecasts
    hours, zone_count = forecasts.rides.shape
    start = pd.Timestamp(forecasts.start_ts, unit="ms", tz="UTC")
    served, *challengers = forecasts.by_model
    predicted = forecasts.by_model[served].ravel()
    rides = forecasts.rides.astype(np.int64).ravel()
    table = pd.DataFrame(
        {
            "pickup_hour": pd.date_range(start, periods=hours, freq="h").repeat(zone_count),
            "pickup_location_id": np.tile(np.array(ZONE_IDS), hours),
            "predicted_demand": predicted,
            "rides": rides,
            "prediction_error": (predicted - rides).round(DECIMALS),
            "lower": forecasts.lower.ravel(),
            "upper": forecasts.upper.ravel(),
        }
        | {model: forecasts.by_model[model].ravel() for model in challengers}
    )
    try:
        table.to_csv(path, index=False)
    except OSError as error:
        raise cannot_write(path, "--csv", error) from None
    return len(table)


_SPAN = ("from_hour", "until_hour", "surge")


def _locate(settings: Settings) -> Path:
    file = locate(settings)
    if file is None:
        name = file_name(settings.dataset, settings.month)
        raise DataError(
            f"{name} is not on this machine: fetch it with `rushhour download`, name a file with "
            "--data, or pass --synthetic"
        )
    return file


def _of_month(file: Path | None, settings: Settings) -> Demand:
    run = describe_run(settings, file)
    month = surge_counts(count_month(file, run.dataset, run.month), run.surges)
    return Demand(
        source_label(run), run.start_ts, month.loc[hours_between(run.start_ts, run.end_ts)]
    )


def _of_hourly_counts(file: Path, flags: Mapping[str, Any], base: Settings) -> Demand:
    table = read_hourly_counts(file)
    first = round(table.index[0].timestamp() * 1000)
    end = first + len(table) * HOUR_MS
    if any(o.name == "month" and o.origin != "default" for o in base.origins(dict(flags))):
        month_start, month_end = parse_month(base.month)
        if month_start >= end or month_end <= first:
            raise DataError(f"{file}: holds {_span(first, end)}: check --month {base.month}")
        first, end = max(first, month_start), min(end, month_end)
    from_text, until_text, surge = (flags.get(name) or getattr(base, name) for name in _SPAN)
    start_ts = parse_from(from_text) if from_text else first
    end_ts = parse_until(until_text) + HOUR_MS if until_text else end
    if not first <= start_ts < end_ts <= end:
        raise UsageError(
            f"from {clock_label(start_ts)} until {clock_label(end_ts - HOUR_MS)} is not a span of "
            f"hours within {_span(first, end)}: check --from and --until"
        )
    surges = _surges(surge, end_ts)
    label = ", ".join(filter(None, (f"hourly rides of {file.name}", surges_label(surges))))
    changed = surge_counts(table, surges)
    return Demand(label, start_ts, changed.loc[hours_between(start_ts, end_ts)])


def _surges(text: str, end_ts: int) -> tuple[Surge, ...]:
    surges = parse_surges(text)
    for surge in surges:
        if surge.from_ts >= end_ts:
            raise UsageError(
                f"surge '{surge}' begins after the last hour, {clock_label(end_ts - HOUR_MS)}: "
                "check --surge and --until"
            )
    return surges


def _span(start_ts: int, end_ts: int) -> str:
    return f"{clock_label(start_ts)} to {clock_label(end_ts - HOUR_MS)}"


@contextmanager
def _progress(console: Console, hours: int) -> Iterator[Any]:
    """Yield what to call after each hour: a bar on a terminal, nothing in a log."""
    bar = Progress(
        TextColumn("hours"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("hours", total=hours)
        yield lambda: bar.advance(task)


def _draw(forecasts: Forecasts, zone: int, label: str, path: Path) -> None:
    from simulator.plot import draw  # noqa: PLC0415 - matplotlib takes long to import

    try:
        draw(forecasts, zone, label, path)
    except OSError as error:
        raise cannot_write(path, "--plot", error) from None
