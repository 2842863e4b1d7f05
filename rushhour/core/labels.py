"""Labels of a run, its data and its hours, for display."""

from collections.abc import Iterable

from rushhour.core.hours import HOUR_MS, clock_label, parse_label
from rushhour.core.run import RunInfo, TripFile
from rushhour.core.surges import Surge


def source_label(run: RunInfo) -> str:
    """Return dataset, month and source of a run, with what is unusual about them marked."""
    return ", ".join(filter(None, (own_label(run), warm_label(run))))


def own_label(run: RunInfo) -> str:
    """Return the part of `source_label` that does not tell what the models began with."""
    return ", ".join(part for part in (data_label(run), what_if(run), rebase_label(run)) if part)


def run_label(run: RunInfo) -> str:
    """Return what a run replays, with its first and its last hour."""
    span = f"{clock_label(run.start_ts)} to {clock_label(run.first_pass_end_ts)}"
    return f"{source_label(run)}, {span}" + (", in a loop" if run.loop_ts else "")


def hours_label(run: RunInfo) -> str:
    """Return the hours of a run, and what becomes of them at its end."""
    first, end = clock_label(run.start_ts), clock_label(run.first_pass_end_ts)
    hours = (run.first_pass_end_ts - run.start_ts) // HOUR_MS
    return f"{hours} ({first} to {end}){loop_label(run)}"


def loop_label(run: RunInfo) -> str:
    """Return what plays after the first pass of a loop; empty without one."""
    return f", then its last {weeks_label(run.loop_weeks)} in a loop" if run.loop_ts else ""


def keep_lines(run: RunInfo) -> list[str]:
    """Return a line on how many hours Redis keeps; none if it keeps all."""
    return [] if run.keep_hours is None else [f"keeps      the last {run.keep_hours} hours"]


def weeks_label(weeks: int) -> str:
    """Return a number of weeks.

    >>> weeks_label(1), weeks_label(113)
    ('week', '113 weeks')
    """
    return "week" if weeks == 1 else f"{weeks} weeks"


def closed_label(run: RunInfo, hours_closed: int) -> str:
    """Return how many hours of a run are closed: of how many, or in which pass of a loop."""
    if run.loop_ts is None:
        return f"{hours_closed} of {run.hours}"
    return f"{hours_closed}, pass {run.pass_of(run.start_ts + hours_closed * HOUR_MS)} of a loop"


def closed_hours_label(run: RunInfo, hours_closed: int, unit: str = " hours") -> str:
    """Return the closed hours of a run, in words: of how many, or in which pass of a loop."""
    if run.loop_ts is None:
        return f"{hours_closed} of {run.hours}{unit}"
    current = run.pass_of(run.start_ts + hours_closed * HOUR_MS)
    return f"{hours_closed}{unit} (pass {current} of a loop)"


def progress_label(run: RunInfo, hours_closed: int) -> str:
    """Return how many hours of a run are closed, in words."""
    if run.loop_ts is None:
        return f"{hours_closed} of {run.hours} hours are closed"
    current = run.pass_of(run.start_ts + hours_closed * HOUR_MS)
    return f"{hours_closed} hours are closed, in pass {current} of the loop"


def rebase_label(run: RunInfo) -> str:
    """Return by how much the times of a run are shifted; empty if they are not."""
    if not run.shift_weeks:
        return ""
    way = "later" if run.shift_weeks > 0 else "earlier"
    weeks = abs(run.shift_weeks)
    return f"dates {weeks} {'week' if weeks == 1 else 'weeks'} {way}"


def warm_label(run: RunInfo) -> str:
    """Return how much the models have learned before the run; empty for nothing."""
    return f"warm start ({run.warm_hours:,} hours learned)" if run.warm_sha256 else ""


def warm_lines(run: RunInfo) -> list[str]:
    """Return a line on what the models have learned before the run; none for nothing."""
    return [f"begins     with {run.warm_origin}"] if run.warm_sha256 else []


def data_label(run: RunInfo) -> str:
    """Return dataset, month and source of the data of a run."""
    if run.synthetic:
        return f"{run.dataset} {run.month}, SYNTHETIC (made-up trips from mean rates)"
    return f"{run.dataset} {run.month}, {run.source}"


def content_label(file: TripFile) -> str:
    """Return what identifies the content of a trip file.

    >>> content_label(TripFile("/a.parquet", 1_000, 2_000, "8ed7"))
    '1,000 rows, 2,000 bytes, sha256 8ed7'
    """
    return f"{file.rows:,} rows, {file.size:,} bytes, sha256 {file.sha256}"


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
