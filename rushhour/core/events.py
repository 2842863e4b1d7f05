"""The events on the Kafka topics: typed structs.

On the wire each is JSON and names its run (`rushhour.core.codec`).

Time base: every `*_ts` is epoch **milliseconds**, always an int; `pickup_hour` is the same
instant as an RFC 3339 string. Decoding refuses seconds where milliseconds belong, and a string
or a float where an int belongs.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from rushhour.core.horizons import LONGEST, NEXT_HOUR
from rushhour.core.hours import HOUR_MS, SECOND_MS, to_datetime
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE

# 2009 is the first year of TLC trip records. Any date up to the year 2262 is below it when given
# in seconds, so seconds never pass for milliseconds.
EARLIEST_MS = 1_230_768_000_000
LATEST_MS = 9_214_646_400_000  # 2262: what pandas holds in nanoseconds

SequenceNumber = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
EpochMs = Annotated[int, msgspec.Meta(ge=EARLIEST_MS, lt=LATEST_MS)]
HourMs = Annotated[int, msgspec.Meta(ge=EARLIEST_MS, lt=LATEST_MS, multiple_of=HOUR_MS)]
HourTime = Annotated[datetime, msgspec.Meta(tz=True)]
ZoneId = Annotated[int, msgspec.Meta(ge=FIRST_ZONE, le=LAST_ZONE)]
Partition = Annotated[int, msgspec.Meta(ge=0)]
Rides = Annotated[int, msgspec.Meta(ge=0)]
Demand = Annotated[float, msgspec.Meta(ge=0)]
Horizon = Annotated[int, msgspec.Meta(gt=NEXT_HOUR, le=LONGEST)]
Direction = Literal["above", "below"]
# 64 bits as hexadecimal digits: a number of this size loses digits in readers with floats only.
Checksum = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]


class Trip(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="trip"):
    """One taxi trip, emitted at its pickup time.

    `seq` numbers the trips of the run on their partition, in pickup order and from 0, without
    gaps. It is the same in every replay of the run, so it identifies a trip that is sent twice,
    and a gap tells that trips are missing.
    """

    seq: SequenceNumber
    pickup_ts: EpochMs
    pickup_location_id: ZoneId


class Tick(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="tick"):
    """A watermark: event time on this partition has reached `sim_ts`.

    No trip before it follows on this partition. `trips` is the number of trips of the run before
    the tick, on its partition, and `checksum` is `rushhour.core.checksums.tick_checksum` of them.
    The last tick is that of the run's end.
    """

    sim_ts: EpochMs
    trips: SequenceNumber
    checksum: Checksum


class HourlyRides(msgspec.Struct, frozen=True, gc=False):
    """The rides of one zone in one closed hour, zero included."""

    pickup_location_id: ZoneId
    pickup_hour: HourTime
    pickup_ts: HourMs
    rides: Rides

    def __post_init__(self) -> None:
        _check_same_instant(self.pickup_hour, self.pickup_ts)

    @classmethod
    def of(cls, zone: int, hour_ts: int, rides: int) -> "HourlyRides":
        """Build the event for the hour that starts at `hour_ts`."""
        return cls(zone, to_datetime(hour_ts), hour_ts, rides)


class AheadPrediction(msgspec.Struct, frozen=True, gc=False):
    """What was predicted, with a `Prediction`, for a zone in an hour further ahead.

    The hour starts `horizon` - 1 hours after that of the prediction.
    """

    horizon: Horizon
    predicted_demand: Demand
    predicted_median: Demand
    lower: Demand
    upper: Demand


class Prediction(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The predictions of all models for one zone and hour, made before that hour began.

    `predicted_demand` is the expected number of rides and `predicted_median` their median, both of
    the served model, `model`. Its 90 % interval is `lower` to `upper`, both included: the median
    lies in it, the expected number may lie outside. `other_models` has the prediction of each other
    model, None for a model without enough history.

    `ahead` has the predictions for later hours that were made at the same time, of a run with more
    horizons than the next hour.
    """

    pickup_location_id: ZoneId
    pickup_hour: HourTime
    pickup_ts: HourMs
    predicted_demand: Demand
    predicted_median: Demand
    lower: Demand
    upper: Demand
    model: str
    other_models: dict[str, Demand | None]
    ahead: tuple[AheadPrediction, ...] = ()

    def __post_init__(self) -> None:
        _check_same_instant(self.pickup_hour, self.pickup_ts)
        if not self.lower <= self.predicted_median <= self.upper:
            raise ValueError(
                f"predicted_median {self.predicted_median} lies outside of lower {self.lower} to "
                f"upper {self.upper}"
            )


class Alert(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="alert"):
    """Drift: the rides of one zone have moved away from their predictions.

    The hour is the closed hour in which the drift was detected. `direction` tells whether the
    rides are above or below the predictions, `relative_change` how far: the rides of the last six
    hours divided by their predictions, minus 1.
    """

    pickup_location_id: ZoneId
    pickup_hour: HourTime
    pickup_ts: HourMs
    direction: Direction
    relative_change: float

    def __post_init__(self) -> None:
        _check_same_instant(self.pickup_hour, self.pickup_ts)

    @classmethod
    def of(cls, zone: int, hour_ts: int, relative_change: float) -> "Alert":
        """Build the event for the hour that starts at `hour_ts`."""
        direction = direction_of(relative_change)
        return cls(zone, to_datetime(hour_ts), hour_ts, direction, relative_change)


class HourEnd(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="hour_end"):
    """The end of an hour, after its alerts: no alert of an hour before `end_ts` follows.

    It has checksums (`rushhour.core.hour_checksums`) of what the dataflow writes to `partition` of
    its topics when the hour closes: the rides and the alerts of the hour, and the predictions for
    the hour that starts at `end_ts`.
    """

    partition: Partition
    end_ts: HourMs
    rides: Checksum
    predictions: Checksum
    alerts: Checksum


class HourStart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="hour_start"):
    """The start of an hour, on each partition of `submissions`, before the first trip of the hour.

    What is submitted after it for this hour, or for one before it, comes too late. So whether a
    submission is in time depends on the order of records on its partition alone.
    """

    start_ts: HourMs


def direction_of(relative_change: float) -> Direction:
    """Return whether rides are above or below their predictions.

    >>> direction_of(0.4), direction_of(-0.2)
    ('above', 'below')
    """
    return "above" if relative_change >= 0 else "below"


TripEvent = Trip | Tick
AlertEvent = Alert | HourEnd


def _check_same_instant(pickup_hour: datetime, pickup_ts: int) -> None:
    if pickup_hour.timestamp() * SECOND_MS != pickup_ts:  # not `to_ts`: for every event
        raise ValueError(f"pickup_hour is {pickup_hour.isoformat()}, pickup_ts another instant")
