"""What a run, its data and its hours are called, wherever a person reads of them."""

from collections.abc import Iterable

from rushhour.core.hours import clock_label, parse_label
from rushhour.core.run import RunInfo
from rushhour.core.surges import Surge


def source_label(run: RunInfo) -> str:
    """Name what is replayed; synthetic data and what-if runs never pass for real."""
    return ", ".join(part for part in (data_label(run), what_if(run)) if part)


def data_label(run: RunInfo) -> str:
    """Name the dataset, the month and the file of a run."""
    if run.synthetic:
        return f"{run.dataset} {run.month}, SYNTHETIC (made-up trips from mean rates)"
    return f"{run.dataset} {run.month}, {run.source}"


def what_if(run: RunInfo) -> str:
    """Describe what was done to the trips; empty if they are as in the file."""
    return surges_label(run.surges)


def surges_label(surges: Iterable[Surge]) -> str:
    """Describe what surges do to the trips; empty if there are none."""
    labels = ", ".join(surge.label for surge in surges)
    return f"what if: {labels}" if labels else ""


def hour_name(label: str | None) -> str:
    """Return an hour label of Redis for a person.

    >>> hour_name("2024-10-02T23"), hour_name(None)
    ('2024-10-02 23:00', '-')
    """
    return clock_label(parse_label(label)) if label else "-"
