"""The events on the Kafka topics: typed, JSON on the wire, with the columns the user knows.

Time base: every `*_ts` is epoch **milliseconds**, always an int; `pickup_hour` is the same
instant as an RFC 3339 string. The types refuse what broke the user's tables: seconds for
milliseconds, and a string or a float for an int.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from rushhour.core.errors import EventError
from rushhour.core.hours import HOUR_MS, to_datetime, to_ts
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE

# 2009 is the first year of TLC trip records. As seconds, any date up to the year 2100 is
# below it, so seconds can never pass for milliseconds.
_EARLIEST_MS = 1_230_768_000_000
_LATEST_MS = 4_102_444_800_000

SequenceNumber = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
EpochMs = Annotated[int, msgspec.Meta(ge=_EARLIEST_MS, lt=_LATEST_MS)]
HourMs = Annotated[int, msgspec.Meta(ge=_EARLIEST_MS, lt=_LATEST_MS, multiple_of=HOUR_MS)]
HourTime = Annotated[datetime, msgspec.Meta(tz=True)]
ZoneId = Annotated[int, msgspec.Meta(ge=FIRST_ZONE, le=LAST_ZONE)]
Rides = Annotated[int, msgspec.Meta(ge=0)]
Demand = Annotated[float, msgspec.Meta(ge=0)]
Drift = Literal["more rides", "fewer rides"]


class Trip(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="trip"):
    """One taxi trip, emitted when it was picked up.

    `seq` numbers the usable trips of a file in pickup order: a function of the file alone,
    so a trip sent twice can be told from two trips.
    """

    seq: SequenceNumber
    pickup_ts: EpochMs
    pickup_location_id: ZoneId


class Tick(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="tick"):
    """Simulated time is now `sim_ts`: no trip before it follows on this partition.

    `final` marks the end of the replay: nothing follows at all.
    """

    sim_ts: EpochMs
    final: bool = False


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


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """What each model expects of one zone in one hour, made before that hour began.

    `predicted_demand` is the served forecast, in rides; 90 % of rides are to lie in `lower` to
    `upper`, both included. `challengers` holds the forecast of each model that is scored beside
    it, or None where it has no past to speak from. `drift` is the change of an `Alert` that the
    hour before raised for this zone, None if it raised none.
    """

    pickup_location_id: ZoneId
    pickup_hour: HourTime
    pickup_ts: HourMs
    predicted_demand: Demand
    lower: Demand
    upper: Demand
    model: str
    challengers: dict[str, Demand | None]
    drift: float | None = None

    def __post_init__(self) -> None:
        _check_same_instant(self.pickup_hour, self.pickup_ts)
        if not self.lower <= self.predicted_demand <= self.upper:
            raise ValueError(
                f"predicted_demand {self.predicted_demand} lies outside of lower {self.lower} to "
                f"upper {self.upper}"
            )


class Alert(msgspec.Struct, frozen=True, gc=False):
    """The errors of one zone's forecasts have drifted, as seen when this hour was closed.

    `what` says whether there are more rides than predicted, or fewer. `change` says how much: the
    rides of the last hours by what was predicted for them, minus 1.
    """

    pickup_location_id: ZoneId
    pickup_hour: HourTime
    pickup_ts: HourMs
    what: Drift
    change: float

    def __post_init__(self) -> None:
        _check_same_instant(self.pickup_hour, self.pickup_ts)

    @classmethod
    def of(cls, zone: int, hour_ts: int, change: float) -> "Alert":
        """Build the event for the hour that starts at `hour_ts`."""
        return cls(zone, to_datetime(hour_ts), hour_ts, kind_of_drift(change), change)


def kind_of_drift(change: float) -> Drift:
    """Name a change of the errors.

    >>> kind_of_drift(0.4), kind_of_drift(-0.2)
    ('more rides', 'fewer rides')
    """
    return "more rides" if change >= 0 else "fewer rides"


TripEvent = Trip | Tick
E = TypeVar("E")


class Codec(Generic[E]):
    """Encode events of one topic as JSON and decode them in batches.

    A whole batch is decoded at once, as lines of JSON: several times faster than one by one.
    """

    def __init__(self, event_type: object) -> None:
        self._encoder = msgspec.json.Encoder()
        self._decoder: msgspec.json.Decoder[E] = msgspec.json.Decoder(event_type)

    def encode(self, event: E) -> bytes:
        """Return one event as JSON."""
        return self._encoder.encode(event)

    def decode(self, value: bytes | None, where: str = "event") -> E:
        """Return one event; `where` names its topic, partition and offset in an error.

        Raises
        ------
        EventError
            If the value is not JSON of this topic's schema.
        """
        try:
            return self._decoder.decode(value if value is not None else b"null")
        except msgspec.MsgspecError as error:
            raise EventError(f"{where}: {_explain(error)}; got {_shorten(value)}") from None

    def decode_batch(
        self, values: Sequence[bytes | None], where: Callable[[int], str] = "event {}".format
    ) -> list[E]:
        """Return a batch of events, in order; `where(i)` names the place of the i-th value.

        Raises
        ------
        EventError
            If a value is not JSON of this topic's schema. Names the first such value.
        """
        try:
            lines = b"\n".join(values)  # type: ignore[arg-type]  # None ends in the TypeError
            if _is_one_object_a_line(lines, len(values)):
                events = self._decoder.decode_lines(lines)
                if len(events) == len(values):
                    return events
        except (msgspec.MsgspecError, TypeError):
            pass  # one by one, to name the culprit
        return [self.decode(value, where(i)) for i, value in enumerate(values)]


def trip_codec() -> Codec[TripEvent]:
    """Return the codec of the `trips` topic."""
    return Codec(TripEvent)


def rides_codec() -> Codec[HourlyRides]:
    """Return the codec of the `hourly_rides` topic."""
    return Codec(HourlyRides)


def prediction_codec() -> Codec[Prediction]:
    """Return the codec of the `predictions` topic."""
    return Codec(Prediction)


def alert_codec() -> Codec[Alert]:
    """Return the codec of the `alerts` topic."""
    return Codec(Alert)


def _is_one_object_a_line(lines: bytes, count: int) -> bool:
    """Whether no broken value can pass by borrowing from the next one.

    All line ends are then between two values, and all such places read `}` end `{`, which is
    never valid JSON inside an object.
    """
    return lines.count(b"\n") == count - 1 == lines.count(b"}\n{")


def _check_same_instant(pickup_hour: datetime, pickup_ts: int) -> None:
    if to_ts(pickup_hour) != pickup_ts:
        raise ValueError(f"pickup_hour is {pickup_hour.isoformat()}, pickup_ts another instant")


def _explain(error: msgspec.MsgspecError) -> str:
    text = str(error)
    if f">= {_EARLIEST_MS}" in text:
        text += " (epoch milliseconds are expected: is this epoch seconds?)"
    return text


def _shorten(value: bytes | None, limit: int = 160) -> str:
    if value is None:
        return "an empty message"
    text = value.decode("utf-8", "replace")
    return text if len(text) <= limit else text[:limit] + "..."
