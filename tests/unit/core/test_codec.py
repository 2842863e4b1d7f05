"""Batches of records: which of them are events of the run, and what happens to the others."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.checksums import text
from rushhour.core.codec import rides_codec, trip_codec
from rushhour.core.errors import EventError
from rushhour.core.events import HourlyRides, Tick, Trip, TripEvent

OCTOBER = 1_727_740_800_000  # 2024-10-01 00:00
RUN, OTHER = "0123456789ab", "ba9876543210"

checksums = st.integers(0, 2**64 - 1).map(text)
instants = st.integers(1_230_768_000_000, 4_102_444_799_999)
trips = st.builds(Trip, st.integers(0, 2**62), instants, st.integers(1, 265))
trip_events = st.one_of(trips, st.builds(Tick, instants, st.integers(0, 2**62), checksums))
CODEC = trip_codec(RUN)


def trip_json(seq: int) -> bytes:
    return CODEC.encode(Trip(seq, OCTOBER, 132))


def own(event: TripEvent) -> bytes:
    return CODEC.encode(event)


def spaced(event: TripEvent) -> bytes:
    """The same event as another encoder writes it."""
    return json.dumps(json.loads(own(event)), indent=1).encode()


def foreign(event: TripEvent) -> bytes:
    return trip_codec(OTHER).encode(event)


def of_another_version(event: TripEvent) -> bytes:
    return b'{"run_id":"ba9876543210","type":"ride","cab":1}'


def seconds(event: TripEvent) -> bytes:
    return own(Trip(1, OCTOBER, 1)).replace(b"1727740800000", b"1727740800")


def without_a_run(event: TripEvent) -> bytes:
    return msgspec.json.encode(event)


def not_utf8(event: TripEvent) -> bytes:
    return own(event).replace(RUN.encode(), b"\xff")


def empty(event: TripEvent) -> None:
    return None


OWN, FOREIGN = (own, spaced), (foreign, of_another_version)
DAMAGED = (seconds, without_a_run, not_utf8, empty)
records = st.tuples(trip_events, st.sampled_from([own, own, own, *OWN, *FOREIGN, *DAMAGED]))


@given(st.lists(records, max_size=12))
def test_a_batch_is_sorted_into_own_foreign_and_damaged_records(drawn: list[Any]) -> None:
    decoded = CODEC.decode_batch([write(event) for event, write in drawn])
    assert list(zip(decoded.indices, decoded.events, strict=True)) == [
        (i, event) for i, (event, write) in enumerate(drawn) if write in OWN
    ]
    assert decoded.foreign == sum(write in FOREIGN for _, write in drawn)
    assert [damaged.index for damaged in decoded.damaged] == [
        i for i, (_, write) in enumerate(drawn) if write in DAMAGED
    ]


@given(st.lists(trip_events, max_size=20))
def test_a_batch_decodes_as_its_events_do_one_by_one(events: list[TripEvent]) -> None:
    assert CODEC.decode_batch([own(event) for event in events]).events == events


@given(st.text(), st.lists(trips, min_size=1, max_size=20))
def test_columns_encode_as_their_events_do_one_by_one(run_id: str, events: list[Trip]) -> None:
    codec = trip_codec(run_id)
    columns = zip(*map(msgspec.structs.astuple, events), strict=True)
    assert codec.encode_columns(Trip, *columns) == [codec.encode(event) for event in events]


def test_columns_of_events_without_a_tag_encode_too() -> None:
    codec, event = rides_codec(RUN), HourlyRides.of(132, OCTOBER, 247)
    columns = [[value] for value in msgspec.structs.astuple(event)]
    assert codec.encode_columns(HourlyRides, *columns) == [codec.encode(event)]


def test_empty_columns_are_no_events() -> None:
    assert CODEC.encode_columns(Trip, [], [], []) == []


def test_a_damaged_record_does_not_make_the_others_of_its_batch_damaged() -> None:
    decoded = CODEC.decode_batch([trip_json(1), b'{"run_id":"0123456789ab"}', trip_json(2)])
    assert [event.seq for event in decoded.events if isinstance(event, Trip)] == [1, 2]
    (damaged,) = decoded.damaged
    assert damaged.index == 1
    assert "missing required field `type`" in damaged.reason
    assert damaged.reason.endswith('; got {"run_id":"0123456789ab"}')


def test_one_event_of_another_run_is_an_error() -> None:
    with pytest.raises(EventError, match=r"^of another run than 0123456789ab; got "):
        CODEC.decode(foreign(Trip(1, OCTOBER, 1)))


def test_a_run_id_within_another_field_does_not_make_a_record_ones_own() -> None:
    value = b'{"type":"trip","run_id":"x","note":"\\"run_id\\":\\"0123456789ab\\""}'
    assert CODEC.decode_batch([value, trip_json(1)]).foreign == 1


# A batch is decoded as lines: no value may reach out of its own place in it.


@pytest.mark.parametrize(
    ("values", "bad"),
    [
        ([trip_json(1) + b"," + trip_json(2)], [0]),
        ([trip_json(1), trip_json(2) + b"," + trip_json(3)], [1]),
        ([trip_json(1) + b"," + trip_json(2), b""], [0, 1]),
        ([trip_json(1) + b"," + trip_json(2), None], [0, 1]),
        ([trip_json(1) + b"\n" + trip_json(2), None], [0, 1]),
        ([b"", trip_json(1)], [0]),
        ([trip_json(1) + b"],[" + trip_json(2)], [0]),
        ([trip_json(1)[:14], trip_json(1)[15:]], [0, 1]),
    ],
)
def test_two_documents_do_not_pass_for_one_event(
    values: list[bytes | None], bad: list[int]
) -> None:
    assert [damaged.index for damaged in CODEC.decode_batch(values).damaged] == bad


def test_two_documents_do_not_hide_behind_an_event_cut_in_two() -> None:
    first, second = own(Trip(2, OCTOBER, 1)).split(b',"seq"')
    values = [trip_json(1) + b"," + first, b'"seq"' + second]
    assert [damaged.index for damaged in CODEC.decode_batch(values).damaged] == [0, 1]
