"""Hours as a line of small bars: the rides of the city over what was predicted."""

import math
from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from rushhour.simulator.terminal.figures import figure
from rushhour.storage.recent_hours import CityHour

HOURS = 48
LINES = 2
_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "_.-:=+*#"
_LABELS = ("rides", "predicted")
_LABEL_WIDTH = max(map(len, _LABELS)) + 1
_FIGURE_WIDTH = len(" 99,999")


class Sparkline:
    """Rides over predictions, hour by hour, on one scale from 0.

    The newest hour is on the right, where its figures are. The prediction of the next hour, which
    is not closed yet, stands one column ahead.

    Parameters
    ----------
    hours
        Closed hours, the latest last. As many as fit are shown.
    next_prediction
        Rides that are predicted for the next hour; None if they are not known.
    """

    def __init__(self, hours: Sequence[CityHour], next_prediction: float | None) -> None:
        self._hours = hours
        self._next = next_prediction

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield a line of rides and one of predictions."""
        room = min(HOURS, options.max_width - _LABEL_WIDTH - _FIGURE_WIDTH - 1)
        hours = list(self._hours)[-max(1, room) :]
        rides = [hour.rides for hour in hours]
        predicted = [hour.prediction for hour in hours]
        top = max((value for value in (*rides, *predicted, self._next) if value), default=1.0)
        letters = _ASCII_BARS if options.ascii_only else _BARS
        for label, values, ahead, style in (
            (_LABELS[0], rides, None, "green"),
            (_LABELS[1], predicted, self._next, "cyan"),
        ):
            line = Text(label.ljust(_LABEL_WIDTH), no_wrap=True, overflow="crop")
            line.append(" " * (room - len(values)))
            line.append(bars(values, top, letters), style)
            line.append(bars([ahead], top, letters), "dim")
            line.append(figure(values[-1] if values else None, 0).rjust(_FIGURE_WIDTH))
            yield line


def bars(values: Sequence[float | None], top: float, letters: str = _BARS) -> str:
    """Return a bar for each value from 0 to `top`, and a blank for one that is not known.

    >>> bars([0.0, 50.0, None, 100.0], 100.0)
    '▁▅ █'
    """
    highest = len(letters) - 1
    return "".join(
        " "
        if value is None or math.isnan(value)
        else letters[max(0, min(highest, round(highest * value / top)))]
        for value in values
    )
