"""Scores as tables on a terminal: the same for a live run and for a backtest."""

import math

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rushhour.core.hours import clock_label
from rushhour.core.models import NOMINAL_COVERAGE
from rushhour.simulator.evaluation.scoring import Evaluation, Score

INTERVAL = f"{100 * NOMINAL_COVERAGE:.0f} %"


def scores_by_model(evaluation: Evaluation) -> RenderableType:
    """Return the scores of each model, the served one in bold, and what they are over."""
    title = (
        f"hour ahead, {clock_label(evaluation.first_hour)} to {clock_label(evaluation.last_hour)}, "
        f"{evaluation.zones} zones with rides, {evaluation.pairs:,} pairs"
    )
    table = score_table("model", *_SCORES)
    for model, score in evaluation.by_model.items():
        style = "bold" if model == evaluation.served else ""
        table.add_row(model, *_cells(score), style=style)
    return Group(Text(title, style="italic"), table)


def scores_by_borough(evaluation: Evaluation) -> RenderableType:
    """Return the scores of the served model in each borough."""
    table = score_table("borough", "rides", *_SCORES)
    for line in evaluation.by_borough:
        table.add_row(line.borough, f"{line.rides:,}", *_cells(line.score))
    return Group(Text(f"{evaluation.served} by borough", style="italic"), table)


def coverage_by_band(evaluation: Evaluation) -> RenderableType:
    """Return how the intervals hold in each band of predicted demand."""
    table = score_table("predicted rides", "pairs", "coverage", "mean width")
    for line in evaluation.by_band:
        table.add_row(line.band, f"{line.pairs:,}", percent(line.coverage), f"{line.width:.1f}")
    title = f"coverage of {evaluation.served}'s {INTERVAL} intervals, by predicted rides an hour"
    return Group(Text(title, style="italic"), table)


def score_table(first: str, *others: str) -> Table:
    """Return an empty table with a column of names and columns of figures."""
    # Narrow: the widest of these has to fit into 80 columns.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def figure(value: float) -> str:
    """Write a score, or a dash if there is none.

    >>> figure(3.07449), figure(float("nan"))
    ('3.074', '-')
    """
    return "-" if math.isnan(value) else f"{value:.3f}"


def percent(share: float) -> str:
    """Write a share, or a dash if there is none.

    >>> percent(0.8994), percent(float("nan"))
    ('89.9 %', '-')
    """
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"


_SCORES = ("MAE", "RMSE", "WAPE", "bias", "skill", "coverage")


def _cells(score: Score) -> tuple[str, ...]:
    return (
        figure(score.mae),
        figure(score.rmse),
        percent(score.wape),
        figure(score.bias),
        figure(score.skill),
        percent(score.coverage),
    )
