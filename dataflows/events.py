"""Messages of what the dataflow computes: rides, forecasts and alerts, one hour at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dataflows.counting import CityHour
from rushhour.core.arrays import Counts, Floats, ZoneMask
from rushhour.core.codec import alert_codec
from rushhour.core.events import Alert, AlertEvent, HourEnd
from rushhour.core.forecast import Forecast
from rushhour.core.hour_checksums import checksums, hour_hashes
from rushhour.core.hours import HOUR_MS
from rushhour.core.topics import Messages, zone_routes
from rushhour.core.zone_lines import ZoneLines
from rushhour.core.zones import FIRST_ZONE
from rushhour.storage.columns import zones_of


@dataclass(frozen=True, slots=True, eq=False)
class ForecastStep:
    """What an hour gives: its rides, its alerts, and the forecast for the hour after it.

    `rides` is `int64[zones]`, None for the opening of a replay. `changes` is `float64[zones]`: the
    relative change of each zone with drift in the hour, NaN for all others.
    """

    rides: Counts | None
    changes: Floats
    forecast: Forecast


class HourMessages:
    """Makes messages of an hour: for each partition of a topic those that it gets, in order.

    Parameters
    ----------
    run_id
        The run that the events are of.
    partitions
        Number of partitions of the topic.
    """

    def __init__(self, run_id: str, partitions: int) -> None:
        self._lines = ZoneLines(run_id)
        self._codec = alert_codec(run_id)
        self._routes = zone_routes(partitions)
        self._zones = [zones_of(partition, partitions) for partition in range(partitions)]

    def rides(self, hour: CityHour) -> Messages:
        """Return the rides of each zone in a closed hour; none for the opening of a replay."""
        if hour.rides is None:
            return [[] for _ in self._zones]
        return self._of_zones(self._lines.rides(hour.hour_ts, hour.rides))

    def predictions(self, step: ForecastStep) -> Messages:
        """Return the forecast for each zone."""
        return self._of_zones(self._lines.predictions(step.forecast))

    def alerts(self, step: ForecastStep) -> Messages:
        """Return the alerts of the closed hour, and then its end on each partition."""
        messages: Messages = [[] for _ in self._zones]
        for event in alert_events(step, self._zones):
            value = self._codec.encode(event)
            if isinstance(event, HourEnd):
                messages[event.partition].append((None, value))
            else:
                partition, key = self._routes[event.pickup_location_id - FIRST_ZONE]
                messages[partition].append((key, value))
        return messages

    def _of_zones(self, lines: list[bytes]) -> Messages:
        messages: Messages = [[] for _ in self._zones]
        for (partition, key), line in zip(self._routes, lines, strict=True):
            messages[partition].append((key, line))
        return messages


def alert_events(step: ForecastStep, zones: Sequence[ZoneMask]) -> list[AlertEvent]:
    """Return the alerts of the closed hour, and then its end on each partition.

    Parameters
    ----------
    zones
        The zones of each partition.
    """
    end_ts = step.forecast.hour_ts
    alerts: list[AlertEvent] = [
        Alert.of(FIRST_ZONE + int(i), end_ts - HOUR_MS, float(step.changes[i]))
        for i in np.flatnonzero(~np.isnan(step.changes))
    ]
    hashes = hour_hashes(step.rides, step.forecast, step.changes)
    ends = [
        HourEnd(partition, end_ts, *checksums(hashes, own)) for partition, own in enumerate(zones)
    ]
    return [*alerts, *ends]
