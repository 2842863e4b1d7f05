"""The events of an hour, one for each zone, as lines of JSON from arrays over the zones.

The lines are those that `rushhour.core.codec` makes of the events, without an object for each.
"""

import msgspec

from rushhour.core.arrays import Counts, Floats
from rushhour.core.forecast import Forecast
from rushhour.core.hours import to_datetime
from rushhour.core.zones import ZONE_IDS

_encode = msgspec.json.Encoder().encode
_ZONES = [b"%d" % zone for zone in ZONE_IDS]


class ZoneLines:
    """Writes events of a run, in the order of the zones' ids."""

    def __init__(self, run_id: str) -> None:
        self._run_id = _encode(run_id).replace(b"%", b"%%")

    def rides(self, hour_ts: int, rides: Counts) -> list[bytes]:
        """Return each zone's `HourlyRides`.

        Parameters
        ----------
        hour_ts
            Start of the closed hour, epoch milliseconds.
        rides
            `int64[zones]`.
        """
        line = self._start(hour_ts) + b',"rides":%b}'
        return [line % row for row in zip(_ZONES, _texts(rides), strict=True)]

    def predictions(self, forecast: Forecast) -> list[bytes]:
        """Return each zone's `Prediction`, from the forecast of one hour."""
        served, *others = (_encode(name).replace(b"%", b"%%") for name in forecast.by_model)
        line = self._start(forecast.hour_ts) + (
            b',"predicted_demand":%%b,"predicted_median":%%b,"lower":%%b,"upper":%%b'
            b',"model":%b,"other_models":{%b}}'
            % (served, b",".join(name + b":%b" for name in others))
        )
        if forecast.ahead:
            line = line[:-1] + b',"ahead":[%b]}' % b",".join(map(_ahead_line, forecast.ahead))
        median, *other_demands = forecast.by_model.values()
        columns = [forecast.mean, median, forecast.lower, forecast.upper, *other_demands]
        for each in forecast.ahead.values():
            columns += (each.mean, each.median, each.lower, each.upper)
        return [line % row for row in zip(_ZONES, *map(_texts, columns), strict=True)]

    def _start(self, hour_ts: int) -> bytes:
        """Return what a line begins with, for `%`: the zone's id is still missing."""
        return b'{"run_id":%b,"pickup_location_id":%%b,"pickup_hour":%b,"pickup_ts":%d' % (
            self._run_id,
            _encode(to_datetime(hour_ts)),
            hour_ts,
        )


def _ahead_line(horizon: int) -> bytes:
    """Return the object of one horizon, for `%`."""
    return (
        b'{"horizon":%d,"predicted_demand":%%b,"predicted_median":%%b,"lower":%%b,"upper":%%b}'
        % horizon
    )


def _texts(values: Counts | Floats) -> list[bytes]:
    """Return numbers as JSON; NaN is null."""
    return _encode(values.tolist())[1:-1].split(b",")
