"""Trips as columns equal the trips that the codec reads, whatever happened to their bytes."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rushhour.core.codec import trip_codec
from rushhour.core.events import EARLIEST_MS, LATEST_MS, Tick, Trip, TripEvent
from rushhour.core.trip_columns import TripColumnReader
from rushhour.core.zones import LAST_ZONE

RUN = "0123456789ab"
OCTOBER = 1_727_740_800_000  # 2024-10-01 00:00
CODEC, READER = trip_codec(RUN), TripColumnReader(RUN)

Records = list[bytes | None]


def plain(records: Records) -> dict[int, TripEvent]:
    """The events of a batch by their places, as the codec reads them."""
    decoded = CODEC.decode_batch(records)
    return dict(zip(decoded.indices, decoded.events, strict=True))


def as_columns(records: Records) -> dict[int, Trip]:
    """The trips of a batch by their places, as far as they are read as columns."""
    trips = READER.read(records)
    columns = (trips.seq.tolist(), trips.pickup_ts.tolist(), trips.zone.tolist())
    return dict(zip(trips.index.tolist(), map(Trip, *columns), strict=True))


def trips_from(seq: int, zones: list[int]) -> Records:
    return [CODEC.encode(Trip(seq + i, OCTOBER + i, zone)) for i, zone in enumerate(zones)]


zones = st.lists(st.integers(1, LAST_ZONE), min_size=1, max_size=8)
batches = st.builds(trips_from, st.one_of(st.integers(0, 20), st.integers(0, 2**62)), zones)
byte = st.one_of(st.sampled_from(b'0123456789-+.eE" \n{},:'), st.integers(0, 255))


@st.composite
def damaged(draw: st.DrawFn) -> Records:
    """Trips of which some bytes were changed, inserted, left out or exchanged."""
    records = draw(batches)
    for _ in range(draw(st.integers(1, 3))):
        i = draw(st.integers(0, len(records) - 1))
        text = bytearray(records[i] or b" ")
        at, other = (draw(st.integers(0, len(text) - 1)) for _ in range(2))
        match draw(st.sampled_from(["change", "insert", "remove", "exchange", "cut", "join"])):
            case "change":
                text[at] = draw(byte)
            case "insert":
                text.insert(at, draw(byte))
            case "remove":
                del text[at : at + draw(st.integers(1, 3))]
            case "exchange":
                text[at], text[other] = text[other], text[at]
            case "cut":
                records.insert(i + 1, bytes(text[at:]))
                del text[at:]
            case _:
                text += draw(st.sampled_from([b"", b"\n", b","])) + (records[i - 1] or b"")
        records[i] = bytes(text)
    return records


@given(st.one_of(batches, damaged()))
def test_what_is_read_as_columns_is_what_the_codec_reads(records: Records) -> None:
    events = plain(records)
    for place, trip in as_columns(records).items():
        assert events[place] == trip


NUMBERS = ["0", "1", "-1", "+1", "01", "00", "1.0", "1e3", " 1", "1 ", '"1"', "null", "", "²"]
SEQS = [*NUMBERS, str(2**63 - 1), str(2**63), "9" * 18, "9" * 19, "1" + "0" * 18, "9" * 40]
TIMES = [
    *NUMBERS,
    *map(str, (EARLIEST_MS - 1, EARLIEST_MS, LATEST_MS - 1, LATEST_MS, OCTOBER // 1000)),
    "0" + str(OCTOBER),
    "9" * 13,
]
ZONES = [*NUMBERS, *map(str, (LAST_ZONE, LAST_ZONE + 1, 999, 1000)), "001", "010"]


@pytest.mark.parametrize(
    "values",
    [
        *((seq, str(OCTOBER), "132") for seq in SEQS),
        *(("7", ts, "132") for ts in TIMES),
        *(("7", str(OCTOBER), zone) for zone in ZONES),
    ],
)
def test_numbers_at_the_edges_are_read_as_the_codec_reads_them(values: tuple[str, ...]) -> None:
    text = '{"type":"trip","run_id":"%s","seq":%s,"pickup_ts":%s,"pickup_location_id":%s}'
    record = (text % (RUN, *values)).encode()
    assert set(as_columns([record]).items()) <= set(plain([record]).items())


OTHERS: dict[str, Callable[[bytes], bytes | None]] = {
    "of another run": lambda trip: trip.replace(RUN.encode(), b"ba9876543210"),
    "with a field twice": lambda trip: trip.replace(b'"seq":7', b'"seq":7,"seq":7'),
    "with another field": lambda trip: trip.replace(b"}", b',"a":1}'),
    "with its fields in another order": lambda trip: trip.replace(b'"seq":7,', b"").replace(
        b"}", b',"seq":7}'
    ),
    "with spaces": lambda trip: trip.replace(b",", b", "),
    "with a line end": lambda trip: trip + b"\n",
    "with a zero byte": lambda trip: trip + b"\0",
    "empty": lambda trip: None,
    "a tick": lambda trip: CODEC.encode(Tick(OCTOBER, 7, "0123456789abcdef")),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_record_in_another_form_is_left_to_the_codec(other: str, place: int) -> None:
    (trip,) = trips_from(7, [132])
    assert trip is not None
    records = trips_from(1, [5, 264])
    records.insert(place, OTHERS[other](trip))
    columns = as_columns(records)
    assert place not in columns
    assert set(columns.items()) <= set(plain(records).items())


@given(st.integers(2, 18).flatmap(lambda n: st.integers(10 ** (n - 1), 10**n - 10)), zones)
@example(0, [1, 9, 10, 99, 100, LAST_ZONE])
def test_all_trips_are_read_if_their_numbers_are_equally_long(seq: int, zones: list[int]) -> None:
    records = trips_from(seq, zones)
    records.insert(1, CODEC.encode(Tick(OCTOBER, seq, "0123456789abcdef")))
    assert as_columns(records) == {
        place: event for place, event in plain(records).items() if isinstance(event, Trip)
    }


def test_an_empty_batch_has_no_trips() -> None:
    assert as_columns([]) == {}


def test_a_damaged_trip_leaves_the_others_of_its_length_as_columns() -> None:
    records = trips_from(10, [132, 79, 138, 7])
    assert records[0] is not None
    records[0] = records[0].replace(b":10,", b":x0,")
    assert sorted(as_columns(records)) == [1, 2, 3]


@pytest.mark.parametrize(("zone", "damage"), [(65, b":65}"), (5, b'":5}')])
def test_the_end_of_a_short_zone_does_not_stand_for_a_longer_one(zone: int, damage: bytes) -> None:
    record = trips_from(10, [zone])[0]
    assert record is not None
    damaged = record.replace(b":%d}" % zone, b":" + damage)
    assert as_columns([record, damaged]) == as_columns([record])
