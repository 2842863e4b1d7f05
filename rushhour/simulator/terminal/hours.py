"""Closed hours as lines of text."""

from rushhour.simulator.terminal.figures import count, figure
from rushhour.storage.closed_hours import ClosedHour


def hour_lines(hour: ClosedHour) -> list[str]:
    """Return an hour with its rides, its prediction and error, and the zones of largest error."""
    lines = [
        f"{hour.label}  rides {count(hour.rides)}  prediction {figure(hour.prediction, 1)}"
        f"  error {figure(hour.error, 1)}  MAE of zones {figure(hour.mae, 2)}"
    ]
    if hour.worst:
        zones = ", ".join(
            f"{zone.name} ({zone.zone}) {count(zone.rides)} rides, error {figure(zone.error, 1)}"
            for zone in hour.worst
        )
        lines.append(f"  worst zones: {zones}")
    return lines
