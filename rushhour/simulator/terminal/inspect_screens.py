"""What the commands that look at a run show: one zone, a comparison, the models, the alerts."""

from collections.abc import Mapping

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rushhour.core.hours import HOURS_PER_DAY, HOURS_PER_WEEK
from rushhour.core.labels import hour_name, source_label
from rushhour.core.models import REFERENCE
from rushhour.core.run import RunInfo
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT, zones
from rushhour.simulator.terminal.run_view import RunView
from rushhour.simulator.terminal.screens import facts_grid
from rushhour.simulator.terminal.tables import INTERVAL, score_table

_HOURS = {"hour", "next_hour"}
_HOUR_IS_LONGER = len("2024-10-01 00:00") - len("pickup_hour")


def zone_screen(run: RunInfo, zone: int, fields: Mapping[str, str]) -> RenderableType:
    """Return what `rushhour zone` shows."""
    table = facts_grid()
    for name, value in fields.items():
        table.add_row(name, hour_name(value) if name in _HOURS else value)
    return Group(Panel(table, title=f"zone {zone}", expand=False), _source(run))


def comparison_screen(
    run: RunInfo, table: pd.DataFrame, width: int, rows: int = 10
) -> RenderableType:
    """Return the head of a comparison table and its summary, for a terminal of that width."""
    screen = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    is_narrow = width < sum(len(name) + 1 for name in table.columns) + _HOUR_IS_LONGER
    for name in table.columns:
        header = name.replace("_", "_\n", 1) if is_narrow else name  # cut off, it would be lost
        screen.add_column(header, justify="right", no_wrap=True)
    for row in table.head(rows).itertuples(index=False):
        screen.add_row(f"{row[0]:%Y-%m-%d %H:%M}", *(str(value) for value in row[1:]))
    hours = table["pickup_hour"].nunique()
    errors = table["prediction_error"]
    summary = (
        f"{len(table):,} rows, {hours} hours; mean absolute error {errors.abs().mean():.4f}, "
        f"mean error {errors.mean():.4f}"
        if len(table)
        else "no hour of these has both rides and predictions"
    )
    return Group(screen, Text(summary), _source(run))


def leaderboard(snapshot: RunView) -> RenderableType:
    """Return the models of a run, the best of the last week first."""
    table = score_table("model", "MAE 24 h", "MAE 168 h", "RMSE", "bias", "skill", "coverage")
    for model in ranked(snapshot):
        is_served = model == snapshot.served
        fields = ("mae_24h", "mae_168h", "rmse_168h", "bias_168h", "skill_168h")
        table.add_row(
            f"{model} (served)" if is_served else model,
            *(snapshot.score(model, field, decimals=3) for field in fields),
            snapshot.share(model, "coverage_168h"),
            style="bold" if is_served else "",
        )
    day, week = (
        ZONE_COUNT * min(snapshot.hours_closed, window)
        for window in (HOURS_PER_DAY, HOURS_PER_WEEK)
    )
    notes = (
        f"up to {hour_name(snapshot.last_hour_closed)}: {day:,} zone-hours in 24 h, {week:,} in "
        "168 h; RMSE, bias, skill and coverage over 168 h",
        f"skill: 1 - MAE / MAE of {REFERENCE}; coverage: rides within the {INTERVAL} intervals",
    )
    return Group(table, *(Text(note, style="dim") for note in notes), _source(snapshot.run))


def ranked(snapshot: RunView) -> list[str]:
    """Return the models by MAE over 168 h, then over 24 h; those not judged yet come last."""

    def place(model: str) -> tuple[float, float]:
        week, day = (snapshot.value(model, field) for field in ("mae_168h", "mae_24h"))
        return tuple(float("inf") if mae is None else mae for mae in (week, day))  # type: ignore[return-value]

    return sorted(snapshot.run.models, key=place)


def alerts_screen(
    run: RunInfo, alerts: pd.DataFrame, last: int, zone: int | None
) -> RenderableType:
    """Return the latest alerts, the newest first, of one zone or of all."""
    whose = "" if zone is None else f" of zone {zone}, {zones()[zone - FIRST_ZONE].name}"
    if alerts.empty:
        return Group(Text(f"no alerts{whose}: no drift was found"), _source(run))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("hour", "zone", "name", "direction", "change"):
        is_number = name in {"zone", "change"}
        table.add_column(name, justify="right" if is_number else "left", no_wrap=name != "name")
    newest = alerts.sort_values(
        ["pickup_hour", "pickup_location_id"], ascending=[False, True], kind="stable"
    ).head(last)
    for hour, zone_id, direction, change in newest[
        ["pickup_hour", "pickup_location_id", "direction", "relative_change"]
    ].itertuples(index=False):
        name = zones()[zone_id - FIRST_ZONE].name
        percent = f"{100 * change:+,.0f} %"
        table.add_row(f"{hour:%Y-%m-%d %H:%M}", f"{zone_id}", name, direction, percent)
    count = f"{len(newest):,} of {len(alerts):,} alerts{whose}, the newest first"
    note = "change: rides of the last hours divided by their predictions, minus 1"
    return Group(table, Text(count, style="dim"), Text(note, style="dim"), _source(run))


def _source(run: RunInfo) -> Text:
    return Text(source_label(run), style="dim")
