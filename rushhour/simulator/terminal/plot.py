"""A picture of a backtest: one zone's last week, and the error by hour of day, there and in all."""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, DayLocator
from matplotlib.figure import Figure

from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY, HOURS_PER_WEEK, clock_label
from rushhour.core.models import REFERENCE
from rushhour.core.zones import FIRST_ZONE, zones
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.simulator.evaluation.scoring import mae_by_hour_of_day
from rushhour.simulator.terminal.tables import INTERVAL

SIZE_PX = (1440, 960)
_DPI = 120
_WRAP = 120  # characters that fit into a line

# Colours of Okabe and Ito, distinct for the colour-blind; lines differ in style as well.
_RIDES = "#000000"
_SERVED = "#0072B2"
_REFERENCE = "#D55E00"
_GRID: dict[str, Any] = {"color": "#DDDDDD", "linewidth": 0.8}


def draw(run: RunArrays, zone: int, label: str, path: Path) -> None:
    """Draw a zone's last week and the error by hour of day to a PNG file of `SIZE_PX`.

    `label` names what was replayed. The error is over the same hours as in the tables: without
    the first week, if there are more.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    width, height = SIZE_PX
    # Without pyplot: it needs no window system and leaves nothing open.
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
    axes = figure.subplot_mosaic([["week", "week"], ["zone", "all"]], height_ratios=(3, 2))
    column = np.array([zone - FIRST_ZONE])
    place = zones()[zone - FIRST_ZONE]
    heading = f"{place.name} (zone {zone}, {place.borough}): rides forecast one hour ahead"
    figure.suptitle(
        "\n".join((heading, *textwrap.wrap(label, _WRAP))),
        fontsize=12,
        x=0.01,
        horizontalalignment="left",
        parse_math=False,  # a file name may hold dollar signs
    )
    last = slice(max(0, run.hours - HOURS_PER_WEEK), None)
    _draw_week(axes["week"], run.select(last, column))
    scored = run.after_warm_up()
    end_ts = scored.start_ts + (scored.hours - 1) * HOUR_MS
    span = f"{_day(scored.start_ts)} to {_day(end_ts)}"
    _draw_day(axes["zone"], scored.select(slice(0, None), column), f"zone {zone}, {span}")
    with_rides = np.flatnonzero(run.rides.sum(axis=0) > 0)
    every = scored.select(slice(0, None), with_rides)
    _draw_day(axes["all"], every, f"{len(with_rides)} zones with rides, {span}")
    for part in axes.values():
        part.spines[["top", "right"]].set_visible(False)
        part.grid(axis="y", **_GRID)
        part.set_axisbelow(True)
        part.set_ylim(bottom=0)
        # Above the picture, where it hides nothing.
        part.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=3, frameon=False)
    figure.savefig(path, dpi=_DPI, format="png")


def _day(ts: int) -> str:
    return clock_label(ts).partition(" ")[0]


def _draw_week(axes: Axes, run: RunArrays) -> None:
    hour_ts = run.start_ts + HOUR_MS * np.arange(run.hours)
    hours: Any = hour_ts.astype("datetime64[ms]")
    axes.fill_between(
        hours,
        run.forecast.lower[:, 0],
        run.forecast.upper[:, 0],
        step="mid",
        color=_SERVED,
        alpha=0.2,
        linewidth=0,
        label=f"{INTERVAL} interval",
    )
    axes.plot(
        hours,
        run.forecast.mean[:, 0],
        color=_SERVED,
        linewidth=1.8,
        label=f"prediction ({run.forecast.served_model})",
    )
    axes.plot(hours, run.rides[:, 0], ".", color=_RIDES, markersize=5, label="actual rides")
    axes.set_ylabel("rides per hour")
    end_ts = int(hour_ts[-1])
    span = f"{clock_label(run.start_ts)} to {clock_label(end_ts)}"
    axes.set_title(span, loc="left", fontsize=11)
    axes.xaxis.set_major_locator(DayLocator())  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%a %d %b"))  # type: ignore[no-untyped-call]
    axes.margins(x=0.01)


def _draw_day(axes: Axes, run: RunArrays, over: str) -> None:
    hours = np.arange(HOURS_PER_DAY)
    if REFERENCE in run.forecast.by_model:
        axes.plot(
            hours,
            mae_by_hour_of_day(run, REFERENCE),
            "s--",
            color=_REFERENCE,
            markersize=4,
            label=REFERENCE,
        )
    axes.plot(
        hours,
        mae_by_hour_of_day(run, run.forecast.served_model),
        "o-",
        color=_SERVED,
        markersize=5,
        label=run.forecast.served_model,
    )
    axes.set_xticks(hours[::3])
    axes.margins(x=0.02)
    axes.set_xlabel("hour of day")
    axes.set_ylabel("mean absolute error, rides per hour")
    axes.set_title(f"Error: {over}\n", loc="left", fontsize=11)  # the legend has the second line
