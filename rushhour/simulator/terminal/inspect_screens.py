"""What the commands that read a run show: a zone, a comparison, the models, the alerts."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from rushhour.core.hours import HOURS_PER_DAY, HOURS_PER_WEEK, clock_label
from rushhour.core.labels import hour_name, source_label
from rushhour.core.run import RunInfo
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT, zones
from rushhour.simulator.run_view import RunView, number
from rushhour.simulator.terminal.figures import figure, percent, with_unit
from rushhour.simulator.terminal.fitted import Column, FittedTable
from rushhour.simulator.terminal.screens import time_label
from rushhour.simulator.terminal.tables import INTERVAL, OF_MEAN, OF_MEDIAN, RATE, facts_grid, note
from rushhour.storage.ahead import ZoneAhead
from rushhour.storage.submissions import TAKEN

ROWS_SHOWN = 10
_FIGURES = (("MAE", "mae"), ("RMSE", "rmse"), ("bias", "bias"), ("skill", "skill"))
_WINDOWS = ("24h", "168h")
_MODEL_FIELDS = ("mae_24h", "mae_168h", "skill_168h", "rmse_168h", "bias_168h", "deviance_168h")
_SCORES = (
    Column("MAE 24 h"),
    Column("MAE 168 h"),
    Column("skill", drop=5),
    Column("RMSE", drop=1),
    Column("bias", drop=4),
    Column("deviance", drop=3),
    Column("coverage", drop=6),
    Column("WIS", drop=2),
)


def zone_screen(
    run: RunInfo, zone: int, fields: Mapping[str, str], ahead: Sequence[ZoneAhead] = ()
) -> RenderableType:
    """Return what `rushhour zone` shows, given the zone's hash and its forecasts further ahead."""

    def rate(field: str) -> str:
        return figure(number(fields.get(field)), 1)

    facts = facts_grid()
    facts.add_row("zone", f"{zone}, {fields.get('name', '-')}, {fields.get('borough', '-')}")
    facts.add_row("last hour closed", hour_name(fields.get("hour")))
    facts.add_row("  rides", with_unit(figure(number(fields.get("rides")), 0), RATE))
    for prefix, error in (("", "error"), ("next_", "")):
        if prefix:
            facts.add_row("next hour", hour_name(fields.get("next_hour")))
        interval = f"{rate(prefix + 'lower')} to {rate(prefix + 'upper')}"
        prediction = with_unit(rate(prefix + "prediction"), RATE)
        facts.add_row("  prediction", f"{prediction} ({INTERVAL} interval {interval})")
        facts.add_row("  median", with_unit(rate(prefix + "median"), RATE))
        if error:
            facts.add_row("  error", with_unit(rate(error), RATE))
    table = FittedTable(
        Column("errors of the last", short="errors", is_text=True), Column("24 h"), Column("168 h")
    )
    for name, field in _FIGURES:
        unit = "" if name == "skill" else f", {RATE}"
        values = (number(fields.get(f"{field}_{window}")) for window in _WINDOWS)
        table.add(f"{name}{unit}", *map(figure, values))
    shares = (number(fields.get(f"coverage_{window}")) for window in _WINDOWS)
    table.add("coverage", *map(percent, shares))
    further = (_hours_ahead(ahead), Text()) if ahead else ()
    return Group(facts, Text(), *further, table, Text(), _source(run))


def _hours_ahead(ahead: Sequence[ZoneAhead]) -> RenderableType:
    """Return what is predicted for the hours after the next one."""
    table = FittedTable(
        Column("hours ahead"),
        Column("hour", is_text=True),
        Column(f"prediction, {RATE}", short="prediction"),
        Column(f"{INTERVAL} interval", short="interval"),
    )
    for each in ahead:
        interval = f"{figure(each.lower, 1)} to {figure(each.upper, 1)}"
        table.add(str(each.horizon), clock_label(each.hour_ts), figure(each.mean, 1), interval)
    return table


def comparison_screen(run: RunInfo, table: pd.DataFrame) -> RenderableType:
    """Return the head of a comparison table and its summary."""
    of_served = (
        Column("predicted_median", short="median", drop=1),
        Column("lower", drop=2),
        Column("upper", drop=3),
    )
    screen = FittedTable(
        Column("pickup_hour", is_text=True, short="hour"),
        Column("pickup_location_id", short="zone"),
        Column("predicted_demand", short="predicted"),
        Column("rides"),
        Column("prediction_error", short="error"),
        *(of_served if "lower" in table else ()),
    )
    for row in table.head(ROWS_SHOWN).itertuples(index=False):
        screen.add(f"{row[0]:%Y-%m-%d %H:%M}", *(str(value) for value in row[1:]))
    hours = table["pickup_hour"].nunique()
    errors = table["prediction_error"]
    median = table.get("predicted_median", table["predicted_demand"])
    whose = " of the median" if "predicted_median" in table else ""
    summary = (
        f"{len(table):,} rows, {hours} hours, in {RATE}; mean absolute error{whose} "
        f"{(median - table['rides']).abs().mean():.4f}, mean error {errors.mean():.4f}"
        if len(table)
        else "no hour of these has both rides and predictions"
    )
    return Group(screen, Text(summary), _source(run))


def leaderboard(view: RunView) -> RenderableType:
    """Return the models of a run, the best of the last week first."""
    table = FittedTable(Column("model", is_text=True), *_SCORES)
    for model in ranked(view):
        is_served = model == view.served
        mark = " (served)" if is_served else " (submitted)" if model in view.submitted else ""
        table.add(
            f"{model}{mark}",
            *(figure(view.score(model, field)) for field in _MODEL_FIELDS),
            percent(view.score(model, "coverage_168h")),
            figure(view.score(model, "wis_168h")),
            style="bold" if is_served else "",
        )
    day, week = (
        ZONE_COUNT * min(view.hours_closed, window) for window in (HOURS_PER_DAY, HOURS_PER_WEEK)
    )
    further = (Text(), _scores_ahead(view)) if view.horizons else ()
    notes = [
        f"up to {time_label(view.last_closed_ts)}: {day:,} zone-hours in 24 h, {week:,} in 168 h; "
        "all but the first MAE over 168 h",
        OF_MEDIAN,
        OF_MEAN,
        f"coverage and WIS (weighted interval score) are of the {INTERVAL} intervals",
        *_submission_notes(view),
    ]
    return Group(table, *map(note, notes), *further, _source(view.run))


def _scores_ahead(view: RunView) -> RenderableType:
    """Return the scores of the served model at each horizon."""
    table = FittedTable(
        Column(f"{view.served}, hours ahead", short="hours ahead"),
        *_SCORES,
    )
    for horizon in view.run.horizons:
        scores = (view.score_ahead(horizon, field) for field in _MODEL_FIELDS)
        coverage = view.score_ahead(horizon, "coverage_168h")
        wis = view.score_ahead(horizon, "wis_168h")
        table.add(str(horizon), *map(figure, scores), percent(coverage), figure(wis))
    return table


def _submission_notes(view: RunView) -> Iterator[str]:
    """Yield what was submitted: how many predictions of each model, and which were rejected."""
    for name, fields in view.submitted.items():
        taken, pairs = (number(fields.get(field)) or 0 for field in (TAKEN, "pairs_168h"))
        yield f"{name}: {taken:,.0f} predictions taken, {pairs:,.0f} zone-hours scored in 168 h"
    rejected = view.rejected_submissions
    if rejected:
        counts = ", ".join(f"{reason} {count:,}" for reason, count in rejected.items())
        yield f"submitted and rejected: {counts}; see `rushhour dead-letters`"


def ranked(view: RunView) -> list[str]:
    """Return the models by MAE over 168 h, then over 24 h; those without scores come last."""

    def place(model: str) -> tuple[float, ...]:
        scores = (view.score(model, field) for field in ("mae_168h", "mae_24h"))
        return tuple(float("inf") if mae is None else mae for mae in scores)

    return sorted((*view.run.models, *view.submitted), key=place)


def newest_alerts(alerts: pd.DataFrame, zone: int | None, last: int) -> pd.DataFrame:
    """Return the latest alerts, the newest first, of one zone or of all."""
    chosen = alerts if zone is None else alerts[alerts["pickup_location_id"] == zone]
    return chosen.sort_values(
        ["pickup_hour", "pickup_location_id"], ascending=[False, True], kind="stable"
    ).head(last)


def alerts_screen(
    run: RunInfo, alerts: pd.DataFrame, last: int, zone: int | None
) -> RenderableType:
    """Return what `rushhour alerts` shows of all alerts of a run."""
    whose = "" if zone is None else f" of zone {zone}, {zones()[zone - FIRST_ZONE].name}"
    newest = newest_alerts(alerts, zone, last)
    if newest.empty:
        return Group(Text(f"no alerts{whose}"), _source(run))
    table = FittedTable(
        Column("hour", is_text=True, width=len("2024-10-01 00:00")),
        Column("zone"),
        Column("name", is_text=True, shrink_to=8),
        Column("rides are", is_text=True),
        Column("change"),
    )
    columns = ["pickup_hour", "pickup_location_id", "direction", "relative_change"]
    for hour, zone_id, direction, change in newest[columns].itertuples(index=False):
        table.add(
            f"{hour:%Y-%m-%d %H:%M}",
            str(zone_id),
            zones()[zone_id - FIRST_ZONE].name,
            direction,
            f"{100 * change:+,.0f} %",
        )
    total = len(alerts) if zone is None else int((alerts["pickup_location_id"] == zone).sum())
    count = f"{len(newest):,} of {total:,} alerts{whose}, the newest first"
    meaning = "change: rides of the last hours divided by their predictions, minus 1"
    return Group(table, note(count), note(meaning), _source(run))


def _source(run: RunInfo) -> Text:
    return Text(source_label(run), style="dim")
