"""`rushhour backtest`: find the rides, replay the models over them, and score the predictions."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from dataflows.forecasting.state.model_file import (
    Learned,
    SavedModel,
    encode_model,
    engine_of,
    load_model,
)
from rushhour.core.arrays import Floats
from rushhour.core.horizons import Horizons, parse_horizons
from rushhour.core.hours import clock_label
from rushhour.core.models import DECIMALS
from rushhour.core.settings import Settings
from rushhour.core.zones import FIRST_ZONE, ZONE_IDS
from rushhour.simulator.commands.checks import cannot_write, save_csv
from rushhour.simulator.commands.model import write_model
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents import schema
from rushhour.simulator.documents.scores import scores_document
from rushhour.simulator.evaluation.demand import Demand, find_demand
from rushhour.simulator.evaluation.offline import replay_horizons
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.simulator.evaluation.scoring import Evaluation, evaluate
from rushhour.simulator.terminal.tables import (
    coverage_by_band,
    facts_grid,
    scores_by_borough,
    scores_by_horizon,
    scores_by_model,
)


class Files(NamedTuple):
    """Files for every prediction, the picture of a zone, and what the models learn; or None."""

    csv: Path | None
    plot: Path | None
    model: Path | None


def backtest(
    output: Output,
    flags: Mapping[str, Any],
    files: Files,
    *,
    synthetic: bool,
    plotted_zone: int | None,
) -> None:
    """Backtest what the flags name, and print the scores.

    Parameters
    ----------
    flags
        Flags of `Settings.load` that name what to replay, and how far ahead to forecast.
    files
        What to write.
    synthetic
        Replay a synthetic month.
    plotted_zone
        Location id of the zone to draw; the busiest one if None.

    Raises
    ------
    DataError
        If there is no trip file, or it cannot be used.
    UsageError
        If a flag cannot be used.
    """
    started = time.monotonic()
    flags = dict(flags)
    horizons = parse_horizons(Settings.load(horizons=flags.pop("horizons", None)).horizons)
    demand = find_demand(flags, synthetic=synthetic)
    read_s = time.monotonic() - started
    model = _warm_start(flags, demand, horizons)
    engine = engine_of(model, horizons)
    with _progress(output, len(demand.rides)) as advance:
        rides = demand.rides.to_numpy(np.int64)
        replayed = replay_horizons(demand.start_ts, rides, horizons, advance, engine).run
    replay_s = time.monotonic() - started - read_s
    if files.model is not None:
        learned = Learned(demand.dataset, demand.label, demand.start_ts, demand.end_ts)
        write_model(output, files.model, "--save", encode_model(engine, learned, model))
    evaluation = evaluate(replayed)
    document = _document(demand, model, replayed, evaluation, (read_s, replay_s))
    if output.as_json:
        output.document(document)
    else:
        _show(output, document, evaluation)
    if files.csv is not None:
        rows = write_csv(replayed, files.csv)
        output.note(f"{rows:,} rows written to {files.csv}")
    if files.plot is not None:
        zone = plotted_zone or busiest_zone(replayed)
        _draw(replayed, zone, demand.label, files.plot)
        output.note(f"zone {zone} drawn to {files.plot}")


def _warm_start(flags: Mapping[str, Any], demand: Demand, horizons: Horizons) -> SavedModel | None:
    """Return the saved model that the backtest begins with."""
    path = Settings.load(warm_start=flags.get("warm_start")).warm_start
    if path is None:
        return None
    model = load_model(path)
    model.check_fits(path, demand.dataset, demand.start_ts, horizons)
    return model


def _document(
    demand: Demand,
    model: SavedModel | None,
    replayed: RunArrays,
    evaluation: Evaluation,
    seconds: tuple[float, float],
) -> schema.Backtest:
    read_s, replay_s = seconds
    return schema.Backtest(
        source=demand.label,
        warm_start=None if model is None else model.origin,
        start_ts=demand.start_ts,
        end_ts=demand.end_ts,
        hours=len(demand.rides),
        rides=int(demand.rides.to_numpy(np.int64).sum()),
        alerts=int((~np.isnan(replayed.alerts)).sum()),
        read_s=round(read_s, 3),
        replay_s=round(replay_s, 3),
        scores=scores_document(evaluation),
    )


def _show(
    output: Output,
    document: schema.Backtest,
    evaluation: Evaluation,
) -> None:
    span = f"{clock_label(document.start_ts)} to {clock_label(document.end_ts)}"
    facts = facts_grid()
    facts.add_row("backtest of", document.source)
    if document.warm_start is not None:
        facts.add_row("began with", document.warm_start)
    facts.add_row("hours", f"{document.hours} ({span})")
    facts.add_row("rides", f"{document.rides:,}")
    facts.add_row("alerts", f"{document.alerts:,}")
    facts.add_row(
        "took",
        f"{document.read_s:.1f} s to read the rides, {document.replay_s:.1f} s to forecast "
        "and learn",
    )
    output.show(facts)
    for table in (scores_by_model, scores_by_borough, coverage_by_band):
        output.show(Text(), table(evaluation))
    if evaluation.by_horizon:
        output.show(Text(), scores_by_horizon(evaluation))


def busiest_zone(run: RunArrays) -> int:
    """Return the zone with the most rides."""
    return FIRST_ZONE + int(run.rides.sum(axis=0).argmax())


def write_csv(replayed: RunArrays, path: Path) -> int:
    """Write a row for each hour and zone, as `compare` does, and return the number of rows.

    The predictions of the other models follow, each in a column with the model's name, and then
    those of the hour that were made earlier: `predicted_demand_6h` was made 6 hours ahead, where
    `predicted_demand` is made one hour ahead.

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    forecast = replayed.forecast
    hours, zone_count = replayed.rides.shape
    start = pd.Timestamp(replayed.start_ts, unit="ms", tz="UTC")
    _, *others = forecast.by_model
    predicted = forecast.mean.ravel()
    rides = replayed.rides.astype(np.int64).ravel()
    table = pd.DataFrame(
        {
            "pickup_hour": pd.date_range(start, periods=hours, freq="h").repeat(zone_count),
            "pickup_location_id": np.tile(np.array(ZONE_IDS), hours),
            "predicted_demand": predicted,
            "rides": rides,
            "prediction_error": (predicted - rides).round(DECIMALS),
            "predicted_median": forecast.median.ravel(),
            "lower": forecast.lower.ravel(),
            "upper": forecast.upper.ravel(),
        }
        | {model: forecast.by_model[model].ravel() for model in others}
        | _columns_ahead(replayed)
    )
    save_csv(table, path)
    return len(table)


def _columns_ahead(replayed: RunArrays) -> dict[str, Floats]:
    columns = {}
    for horizon, forecast in replayed.ahead.items():
        columns[f"predicted_demand_{horizon}h"] = forecast.mean.ravel()
        columns[f"predicted_median_{horizon}h"] = forecast.median.ravel()
        columns[f"lower_{horizon}h"] = forecast.lower.ravel()
        columns[f"upper_{horizon}h"] = forecast.upper.ravel()
    return columns


@contextmanager
def _progress(output: Output, hours: int) -> Iterator[Callable[[], None]]:
    """Yield a callback for each hour: it moves a bar on a terminal, and does nothing elsewhere."""
    bar = Progress(
        TextColumn("hours"),
        BarColumn(),
        MofNCompleteColumn(),
        console=output.notes,
        transient=True,
        disable=not output.notes.is_live,
    )
    with bar:
        task = bar.add_task("hours", total=hours)
        yield lambda: bar.advance(task)


def _draw(run: RunArrays, zone: int, label: str, path: Path) -> None:
    from rushhour.simulator.terminal.plot import draw  # noqa: PLC0415 - imports matplotlib

    try:
        draw(run, zone, label, path)
    except OSError as error:
        raise cannot_write(path, "--plot", error) from None
