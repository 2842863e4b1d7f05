"""Results as a picture: speed, CPU time and memory of each contender."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from benchmarks.peers.results import Measurement, Results

_MIB = 1024 * 1024
_SIZE_IN = (12.0, 0.42)  # width; height of a contender
# Colours of Okabe and Ito, distinct for the colour-blind; markers differ in shape as well.
_OURS: dict[str, Any] = {"color": "#0072B2", "marker": "D"}
_OTHERS: dict[str, Any] = {"color": "#000000", "marker": "o"}
_GRID: dict[str, Any] = {"color": "#DDDDDD", "linewidth": 0.8}

_PANELS: tuple[tuple[str, Callable[[Measurement], float]], ...] = (
    ("trips per second of wall time", lambda each: each.trips / each.wall_s),
    ("CPU µs per trip, without the broker", lambda each: each.cpu_s / each.trips * 1e6),
    ("peak memory, MiB", lambda each: each.peak_bytes / _MIB),
)


def draw(results: Results, path: Path) -> None:
    """Draw median, smallest and largest value of the exact runs to a file, SVG or PNG.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    exact = {
        label.replace("**", ""): runs
        for name, label in results.labels.items()
        if (runs := [each for each in results.of(name) if each.state == "exact"])
    }
    width, row = _SIZE_IN
    figure = Figure(figsize=(width, 1.2 + row * len(exact)), layout="constrained")
    about = results.about
    figure.suptitle(
        f"{about.dataset} {about.month}: rides per zone and hour of {about.trips:,} trips, "
        f"from Kafka ({about.machine})",
        fontsize=11,
        x=0.01,
        horizontalalignment="left",
        parse_math=False,
    )
    places = range(len(exact))
    for axes, (title, value) in zip(figure.subplots(1, 3, sharey=True), _PANELS, strict=True):
        for place, (label, runs) in enumerate(exact.items()):
            values = [value(each) for each in runs]
            style = _OURS if label.startswith("rushhour") else _OTHERS
            axes.hlines(place, min(values), max(values), color=style["color"], linewidth=1.5)
            axes.plot(statistics.median(values), place, linestyle="none", **style)
        axes.set_title(title, fontsize=10)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axes.set_yticks(places, list(exact))
        axes.grid(axis="both", **_GRID)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    if exact:
        axes.invert_yaxis()  # shared
    figure.savefig(path)
