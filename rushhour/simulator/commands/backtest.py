"""`rushhour backtest`: find the rides, replay the models over them, and say how good they are."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from rushhour.core.hours import clock_label
from rushhour.core.models import DECIMALS
from rushhour.core.zones import FIRST_ZONE, ZONE_IDS
from rushhour.simulator.commands.flags import cannot_write, save_csv
from rushhour.simulator.evaluation.demand import find_demand
from rushhour.simulator.evaluation.offline import replay
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.simulator.evaluation.scoring import evaluate
from rushhour.simulator.terminal.screens import facts_grid
from rushhour.simulator.terminal.tables import coverage_by_band, scores_by_borough, scores_by_model


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
    evaluation = evaluate(replayed)
    facts = facts_grid()
    facts.add_row("backtest of", demand.label)
    facts.add_row(
        "hours",
        f"{len(counts)} ({clock_label(demand.start_ts)} to {clock_label(demand.end_ts)})",
    )
    facts.add_row("rides", f"{counts.sum():,}")
    facts.add_row("alerts", f"{int((~np.isnan(replayed.alerts)).sum()):,}")
    facts.add_row(
        "took", f"{read_s:.1f} s to read the rides, {replay_s:.1f} s to forecast and learn"
    )
    for part in (facts, Text(), scores_by_model(evaluation), scores_by_borough(evaluation)):
        console.print(part)
    console.print(coverage_by_band(evaluation))
    if csv is not None:
        rows = write_csv(replayed, csv)
        console.print(f"{rows:,} rows written to {csv}", soft_wrap=True)
    if plot is not None:
        zone = plotted_zone or busiest_zone(replayed)
        _draw(replayed, zone, demand.label, plot)
        console.print(f"zone {zone} drawn to {plot}", soft_wrap=True)


def busiest_zone(run: RunArrays) -> int:
    """Return the zone with the most rides."""
    return FIRST_ZONE + int(run.rides.sum(axis=0).argmax())


def write_csv(replayed: RunArrays, path: Path) -> int:
    """Write a row for each hour and zone, as `compare` does, and return how many.

    After its columns come the predictions of the other models, each under its name.

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    forecast = replayed.forecast
    hours, zone_count = replayed.rides.shape
    start = pd.Timestamp(replayed.start_ts, unit="ms", tz="UTC")
    served, *others = forecast.by_model
    predicted = forecast.by_model[served].ravel()
    rides = replayed.rides.astype(np.int64).ravel()
    table = pd.DataFrame(
        {
            "pickup_hour": pd.date_range(start, periods=hours, freq="h").repeat(zone_count),
            "pickup_location_id": np.tile(np.array(ZONE_IDS), hours),
            "predicted_demand": predicted,
            "rides": rides,
            "prediction_error": (predicted - rides).round(DECIMALS),
            "lower": forecast.lower.ravel(),
            "upper": forecast.upper.ravel(),
        }
        | {model: forecast.by_model[model].ravel() for model in others}
    )
    save_csv(table, path)
    return len(table)


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


def _draw(run: RunArrays, zone: int, label: str, path: Path) -> None:
    from rushhour.simulator.terminal.plot import draw  # noqa: PLC0415 - matplotlib takes long to import

    try:
        draw(run, zone, label, path)
    except OSError as error:
        raise cannot_write(path, "--plot", error) from None
