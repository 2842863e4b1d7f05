"""Results as a Markdown table."""

import statistics
from collections.abc import Sequence

from benchmarks.peers.results import Measurement, Results

_MIB = 1024 * 1024
_HEAD = (
    "",
    "wall s",
    "CPU s",
    "peak memory, MiB",
    "trips/s",
    "CPU µs per trip",
    "broker, CPU s",
    "counts",
)


def table(results: Results) -> str:
    """Return medians, with the smallest and the largest value where there are several runs."""
    lines = [f"| {' | '.join(_HEAD)} |", "|---" * len(_HEAD) + "|"]
    for name, label in results.labels.items():
        if measurements := results.of(name):
            lines.append(f"| {' | '.join((label, *_row(measurements, results.about.trips)))} |")
    about = results.about
    rounds = max((each.round for each in results.measurements), default=0)
    many = f"Medians of {rounds} interleaved runs (smallest to largest)."
    text = (
        f"{about.dataset} {about.month}, {about.trips:,} trips; {about.kafka}; {about.machine}; "
        f"Python {about.python}; rushhour {about.rushhour}. "
        f"{many if rounds > 1 else 'One run of each.'}"
    )
    left_out = [f"- {results.labels[n]}: {reason}" for n, reason in results.left_out.items()]
    if left_out:
        text += "\n\nLeft out:\n\n" + "\n".join(left_out)
    return "\n".join(lines) + "\n\n" + text


def _row(measurements: Sequence[Measurement], all_trips: int) -> list[str]:
    done = [each for each in measurements if each.state in ("exact", "wrong")]
    if not done:
        last = measurements[-1]
        return ["-"] * (len(_HEAD) - 2) + [f"**{last.state}**: {last.detail}"]
    trips = done[0].trips
    brokers = [each.broker_cpu_s for each in done if each.broker_cpu_s is not None]
    return [
        span([each.wall_s for each in done], 1),
        span([each.cpu_s for each in done], 1),
        span([each.peak_bytes / _MIB for each in done], 0),
        f"{trips / statistics.median(each.wall_s for each in done):,.0f}",
        f"{statistics.median(each.cpu_s for each in done) / trips * 1e6:.1f}",
        span(brokers, 1) if brokers else "-",
        _counts(measurements, all_trips),
    ]


def _counts(measurements: Sequence[Measurement], all_trips: int) -> str:
    not_exact = [each for each in measurements if each.state != "exact"]
    trips = measurements[0].trips
    part = "" if trips == all_trips else f", of {trips:,} trips"
    if not not_exact:
        return f"exact{part}"
    last = not_exact[-1]
    how_often = f" ({len(not_exact)} of {len(measurements)} runs)"
    return f"**{last.state}**{part}{how_often}: {last.detail}"


def span(values: Sequence[float], decimals: int) -> str:
    """Return a median, with the smallest and the largest value if there are several.

    >>> span([3.0, 1.0, 2.0], 1)
    '2.0 (1.0 to 3.0)'
    """
    median = f"{statistics.median(values):,.{decimals}f}"
    if len(values) == 1:
        return median
    return f"{median} ({min(values):,.{decimals}f} to {max(values):,.{decimals}f})"
