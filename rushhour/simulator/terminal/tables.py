"""Scores as tables: the same for the report of a live run and for a backtest."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rushhour.core.hours import clock_label
from rushhour.core.models import NOMINAL_COVERAGE, REFERENCE
from rushhour.simulator.evaluation.scoring import Evaluation, Score
from rushhour.simulator.terminal.figures import count, figure, percent, with_unit
from rushhour.simulator.terminal.fitted import Column, FittedTable

INTERVAL = f"{100 * NOMINAL_COVERAGE:.0f} %"
RATE = "rides/h"
OF_MEDIAN = f"MAE and skill (1 - MAE / MAE of {REFERENCE}) are of the median"
OF_MEAN = f"RMSE, bias and Poisson deviance of the mean; MAE, RMSE, bias and WIS in {RATE}"

_SCORES = (
    Column("MAE"),
    Column("WAPE", drop=1),
    Column("skill"),
    Column("RMSE", drop=2),
    Column("bias", drop=5),
    Column("deviance", drop=4),
    Column("coverage"),
    Column("WIS", drop=3),
)


def scores_by_model(evaluation: Evaluation) -> RenderableType:
    """Return the scores of each model, the served one in bold, and the pairs they are over."""
    title = (
        f"hour ahead, {clock_label(evaluation.first_hour)} to {clock_label(evaluation.last_hour)}, "
        f"{evaluation.zones} zones with rides, {evaluation.pairs:,} pairs"
    )
    table = FittedTable(Column("model", is_text=True), *_SCORES)
    for model, score in evaluation.by_model.items():
        style = "bold" if model == evaluation.served else ""
        table.add(model, *_cells(score), style=style)
    return Group(Text(title, style="italic"), table, note(OF_MEDIAN), note(OF_MEAN))


def scores_by_borough(evaluation: Evaluation) -> RenderableType:
    """Return the scores of the served model in each borough."""
    table = FittedTable(Column("borough", is_text=True), Column("rides", drop=6), *_SCORES)
    for each in evaluation.by_borough:
        table.add(each.borough, count(each.rides), *_cells(each.score))
    return Group(Text(f"{evaluation.served} by borough", style="italic"), table)


def scores_by_horizon(evaluation: Evaluation) -> RenderableType:
    """Return the scores of the served model at each horizon."""
    table = FittedTable(Column("hours ahead"), *_SCORES)
    for horizon, score in evaluation.by_horizon.items():
        table.add(str(horizon), *_cells(score))
    return Group(Text(f"{evaluation.served} by horizon", style="italic"), table)


def coverage_by_band(evaluation: Evaluation) -> RenderableType:
    """Return bias, and how well the intervals hold, in each band of predicted demand."""
    table = FittedTable(
        Column(f"predicted {RATE}", is_text=True),
        Column("pairs", drop=1),
        Column("bias"),
        Column("coverage"),
        Column("mean width"),
    )
    for each in evaluation.by_band:
        width = with_unit(figure(each.width, 1), RATE)
        table.add(each.band, count(each.pairs), percent(each.bias), percent(each.coverage), width)
    title = f"{evaluation.served}'s mean and {INTERVAL} intervals, by predicted rides"
    return Group(Text(title, style="italic"), table)


def note(text: str) -> Text:
    """Return a remark below a table."""
    return Text(text, style="dim")


def facts_grid() -> Table:
    """Return an empty table of facts: a name and a value in each row."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    return grid


def _cells(score: Score) -> tuple[str, ...]:
    return (
        figure(score.mae),
        percent(score.wape),
        figure(score.skill),
        figure(score.rmse),
        figure(score.bias),
        figure(score.deviance),
        percent(score.coverage),
        figure(score.wis),
    )
