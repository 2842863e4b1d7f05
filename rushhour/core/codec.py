"""Events as JSON on the topics: one line each, with the id of the run that it belongs to.

Two runs may share a Kafka cluster, so a record is taken only if it names the run of its reader.
The id is written and checked here and nowhere else: inside a process every event is of its run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Generic, TypeVar, get_args

import msgspec

from rushhour.core.errors import EventError
from rushhour.core.events import (
    EARLIEST_MS,
    AlertEvent,
    HourlyRides,
    HourStart,
    Prediction,
    TripEvent,
)
from rushhour.core.foreign import shown

_SHOWN = 160  # characters of a damaged record in an error
# What decoding raises: the second for bytes that are not UTF-8.
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError)
E = TypeVar("E", bound=msgspec.Struct)


class _Envelope(msgspec.Struct):
    """What a record of any run and of any version has."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """A record that is not an event: its index in the batch, and what is wrong with it."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded(Generic[E]):
    """A decoded batch of records.

    `events` are those of the run, in order, and `indices` their places in the batch. `foreign`
    counts the records of other runs. `damaged` are those that are not events of the topic.
    """

    events: list[E]
    indices: Sequence[int]
    foreign: int = 0
    damaged: tuple[Damaged, ...] = ()


class Codec(Generic[E]):
    """Encode and decode the events of one topic and run.

    A batch is encoded and decoded in one call, as lines of JSON, which is several times faster
    than one call for each event.
    """

    def __init__(self, event_type: object, run_id: str) -> None:
        self._run_id = run_id
        self._mark = b'"run_id":' + msgspec.json.encode(run_id)
        self._encoder = msgspec.json.Encoder()
        self._decoder: msgspec.json.Decoder[E] = msgspec.json.Decoder(event_type)
        self._lines = {kind: _line(kind) for kind in get_args(event_type) or (event_type,)}

    def encode(self, event: E) -> bytes:
        """Return one event as JSON, with the run id before its other fields."""
        line = self._lines[type(event)]
        return self._encoder.encode(line(self._run_id, *msgspec.structs.astuple(event)))

    def encode_columns(self, kind: type[E], *columns: Iterable[Any]) -> list[bytes]:
        """Return events of one type as JSON, given as a column for each field, in order.

        The values are not checked.
        """
        lines = list(map(self._lines[kind], repeat(self._run_id), *columns))
        return self._encoder.encode_lines(lines)[:-1].split(b"\n") if lines else []

    def decode(self, value: bytes | None) -> E:
        """Return one event.

        Raises
        ------
        EventError
            If the value is not JSON of this topic's schema, or of another run.
        """
        decoded = self._decode_each([value])
        if decoded.foreign:
            raise EventError(f"of another run than {self._run_id}; got {_shorten(value)}")
        for damaged in decoded.damaged:
            raise EventError(damaged.reason)
        return decoded.events[0]

    def decode_batch(self, values: Sequence[bytes | None]) -> Decoded[E]:
        """Return the events of the run in a batch, and what else is in it."""
        events = self._decode_lines(values)
        if events is not None:
            return Decoded(events, range(len(values)))
        own = [i for i, value in enumerate(values) if value is not None and self._mark in value]
        others = _foreign(values, own, self._run_id)
        if others is not None:
            events = self._decode_lines([values[i] for i in own])
            if events is not None:
                return Decoded(events, own, foreign=others)
        return self._decode_each(values)

    def _decode_lines(self, values: Sequence[bytes | None]) -> list[E] | None:
        """Return a batch of events, or None if a value is not an event of the run."""
        try:
            lines = b"\n".join(values)  # type: ignore[arg-type]  # None raises TypeError
            if _is_one_object_a_line(lines, len(values)) and lines.count(self._mark) == len(values):
                events = self._decoder.decode_lines(lines)
                return events if len(events) == len(values) else None
        except (*_UNDECODABLE, TypeError):
            pass
        return None

    def _decode_each(self, values: Sequence[bytes | None]) -> Decoded[E]:
        events: list[E] = []
        indices: list[int] = []
        foreign = 0
        damaged: list[Damaged] = []
        for i, value in enumerate(values):
            try:
                if _run_of(value) != self._run_id:
                    foreign += 1
                    continue
                events.append(self._decoder.decode(value or b""))
                indices.append(i)
            except _UNDECODABLE as error:
                damaged.append(Damaged(i, f"{_explain(error)}; got {_shorten(value)}"))
        return Decoded(events, indices, foreign, tuple(damaged))


def trip_codec(run_id: str) -> Codec[TripEvent]:
    """Return the codec of the `trips` topic."""
    return Codec(TripEvent, run_id)


def rides_codec(run_id: str) -> Codec[HourlyRides]:
    """Return the codec of the `hourly_rides` topic."""
    return Codec(HourlyRides, run_id)


def prediction_codec(run_id: str) -> Codec[Prediction]:
    """Return the codec of the `predictions` topic."""
    return Codec(Prediction, run_id)


def alert_codec(run_id: str) -> Codec[AlertEvent]:
    """Return the codec of the `alerts` topic."""
    return Codec(AlertEvent, run_id)


def hour_start_codec(run_id: str) -> Codec[HourStart]:
    """Return the codec of the starts of hours on the `submissions` topic."""
    return Codec(HourStart, run_id)


def _line(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return the type whose JSON is that of an event, with the run id before its other fields."""
    config = kind.__struct_config__
    fields = [
        field.name if field.required else (field.name, Any, field.default)
        for field in msgspec.structs.fields(kind)
    ]
    return msgspec.defstruct(
        kind.__name__,
        ["run_id", *fields],
        omit_defaults=config.omit_defaults,
        tag_field=config.tag_field,
        tag=config.tag,
        gc=False,
    )


def _run_of(value: bytes | None) -> str:
    """Return the run id of a record; raise one of `_UNDECODABLE` if it has none."""
    return msgspec.json.decode(value if value is not None else b"null", type=_Envelope).run_id


def _foreign(values: Sequence[bytes | None], own: Sequence[int], run_id: str) -> int | None:
    """Return how many values are of other runs; None if another one than `own` is not."""
    rest = set(range(len(values))).difference(own)
    try:
        if all(_run_of(values[i]) != run_id for i in rest):
            return len(rest)
    except _UNDECODABLE:
        pass
    return None


def _is_one_object_a_line(lines: bytes, count: int) -> bool:
    """Return whether each value is one line, so that no invalid value can borrow from the next.

    Every line end is then between two values, and each of them is `}`, newline, `{`, which is
    never valid JSON inside an object.
    """
    return lines.count(b"\n") == count - 1 == lines.count(b"}\n{")


def _explain(error: Exception) -> str:
    text = str(error)
    if f">= {EARLIEST_MS}" in text:
        text += " (epoch milliseconds are expected: is this epoch seconds?)"
    return text


def _shorten(value: bytes | None) -> str:
    return "an empty message" if value is None else shown(value.decode("utf-8", "replace"), _SHOWN)
