"""Labels of a run, its data and its hours, for display."""

from collections.abc import Iterable

from rushhour.core.hours import clock_label, parse_label
from rushhour.core.run import RunInfo
from rushhour.core.surges import Surge


def source_label(run: RunInfo) -> str:
    """Return dataset, month and source of a run, with synthetic data and surges marked."""
    return ", ".join(part for part in (data_label(run), what_if(run)) if part)


def run_label(run: RunInfo) -> str:
    """Return what a run replays, with its first and its last hour."""
    span = f"{clock_label(run.start_ts)} to {clock_label(run.end_ts)}"
    return f"{source_label(run)}, {span}"


def data_label(run: RunInfo) -> str:
    """Return dataset, month and source of the data of a run."""
    if run.synthetic:
        return f"{run.dataset} {run.month}, SYNTHETIC (made-up trips from mean rates)"
    return f"{run.dataset} {run.month}, {run.source}"


def what_if(run: RunInfo) -> str:
    """Return the surges of a run; empty if there are none."""
    return surges_label(run.surges)


def surges_label(surges: Iterable[Surge]) -> str:
    """Return a label of surges; empty if there are none."""
    labels = ", ".join(surge.label for surge in surges)
    return f"what if: {labels}" if labels else ""


def hour_name(label: str | None) -> str:
    """Format an hour label of Redis for display; `-` for None.

    >>> hour_name("2024-10-02T23"), hour_name(None)
    ('2024-10-02 23:00', '-')
    """
    return clock_label(parse_label(label)) if label else "-"
