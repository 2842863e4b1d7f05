"""The report at the end of a run: what was replayed, how well it was forecast, what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import redis
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumers import views
from core.hours import HOUR_MS, HOURS_PER_DAY, clock_label
from core.models import MODELS, REFERENCE, SERVED
from core.run import RunInfo
from simulator.parts import Cost
from simulator.screens import overlap_text, rejected_text, source_label
from simulator.snapshot import Snapshot

# Models start cold; their first week, in which the reference has nothing to say, is not judged.
WARM_UP_HOURS = 7 * HOURS_PER_DAY
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ModelScore:
    """One model over the judged hours and zones: errors in rides an hour."""

    model: str
    mae: float
    rmse: float
    bias: float
    skill: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Which pairs the scores are over."""

    first_hour: int
    last_hour: int
    zones: int
    pairs: int
    scores: tuple[ModelScore, ...]


def judge(client: redis.Redis, run: RunInfo) -> Judged:
    """Score every model on the hours after the warm-up, over zones that have rides in the run.

    A run shorter than the warm-up is judged whole.
    """
    rides = views.hourly_rides(client)
    active = rides.groupby("pickup_location_id")["rides"].sum()
    zones = set(active.index[active > 0])
    last = int(rides["pickup_ts"].max())
    first = run.start_ts + WARM_UP_HOURS * HOUR_MS
    if first > last:
        first = run.start_ts
    tables = {
        model: _errors(client, None if model == SERVED else model, first, last, zones)
        for model in MODELS
    }
    reference = tables[REFERENCE]
    return Judged(
        first,
        last,
        len(zones),
        len(tables[SERVED]),
        tuple(_score(model, errors, reference) for model, errors in tables.items()),
    )


def report(snapshot: Snapshot, judged: Judged) -> RenderableType:
    """Return the report on the run and its forecasts."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column()
    facts.add_row("replayed", source_label(snapshot.run))
    facts.add_row("hours closed", f"{snapshot.hours_closed} of {snapshot.run.hours}")
    facts.add_row("rides", f"{int(snapshot.quality.get('rides', 0)):,}")
    facts.add_row("rows set aside", rejected_text(snapshot.quality))
    facts.add_row("overlap", overlap_text(snapshot.quality))
    title = (
        f"hour ahead, {clock_label(judged.first_hour)} to {clock_label(judged.last_hour)}, "
        f"{judged.zones} zones with rides, {judged.pairs:,} pairs"
    )
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("model")
    for name in ("MAE", "RMSE", "bias", "skill"):
        table.add_column(name, justify="right")
    for score in judged.scores:
        table.add_row(
            score.model,
            *(_figure(value) for value in (score.mae, score.rmse, score.bias, score.skill)),
            style="bold" if score.model == SERVED else "",
        )
    return Group(facts, Text(), Text(title, style="italic"), table)


def costs_report(costs: Mapping[str, Cost | None], wall_s: float, trips: int) -> RenderableType:
    """Return what each process used."""
    title = f"cost: {wall_s:.1f} s of wall time, {trips / wall_s:,.0f} trips/s"
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("process")
    table.add_column("CPU s", justify="right")
    table.add_column("peak memory", justify="right")
    for name, cost in costs.items():
        if cost is not None:
            table.add_row(name, f"{cost.cpu_s:.1f}", f"{cost.peak_bytes / _MIB:.0f} MiB")
    return Group(Text(title, style="italic"), table)


def _errors(
    client: redis.Redis, model: str | None, first: int, last: int, zones: set[int]
) -> pd.DataFrame:
    table = views.comparison(client, first, last, model)
    return table[table["pickup_location_id"].isin(zones)].set_index(
        ["pickup_hour", "pickup_location_id"]
    )


def _score(model: str, table: pd.DataFrame, reference: pd.DataFrame) -> ModelScore:
    errors = table["prediction_error"]
    paired = errors.to_frame("own").join(
        reference["prediction_error"].rename("reference"), how="inner"
    )
    base = float(paired["reference"].abs().mean())
    skill = 1.0 - float(paired["own"].abs().mean()) / base if base > 0 else float("nan")
    return ModelScore(
        model,
        mae=float(errors.abs().mean()),
        rmse=float(np.sqrt((errors**2).mean())),
        bias=float(errors.mean()),
        skill=skill,
    )


def _figure(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"
