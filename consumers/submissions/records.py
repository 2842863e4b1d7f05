"""A record of `submissions`: a prediction, the start of an hour, or why it is neither."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from rushhour.core.events import EARLIEST_MS, LATEST_MS, HourStart
from rushhour.core.foreign import shown
from rushhour.core.hours import HOUR_MS, SECOND_MS, to_ts
from rushhour.core.models import DECIMALS
from rushhour.core.submissions import MAX_DEMAND, MODEL, RUN_ID, Fault, is_model_name
from rushhour.core.table_columns import HOUR, PREDICTED, TS, ZONE
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE

_SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Submission:
    """One prediction of a user's model: `demand` rides in a zone and hour (epoch ms)."""

    model: str
    hour_ts: int
    zone: int
    demand: float


class _Rejected(Exception):
    """A field is not what it must be; holds the fault."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault


def read_record(value: bytes | None, run_id: str) -> Submission | HourStart | Fault | None:
    """Return what a record holds, why it cannot be taken, or None if it is of another run."""
    try:
        fields = _fields(value)
        if "type" in fields:
            return _hour_start(fields, run_id)
        if fields.get(RUN_ID, run_id) != run_id:
            return None
        return Submission(
            _model(fields), zone=_zone(fields), hour_ts=_hour(fields), demand=_demand(fields)
        )
    except _Rejected as rejected:
        return rejected.fault


def _fields(value: bytes | None) -> dict[str, Any]:
    try:
        found = _parse(value or b"")
    except (ValueError, RecursionError) as error:
        raise _Rejected(("undecodable", f"not JSON: {error}")) from None
    if not isinstance(found, dict):
        raise _Rejected(("undecodable", f"not a JSON object: {_show(found)}"))
    return found


def _parse(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.MsgspecError:
        return json.loads(value)  # takes NaN, which others write for what is not a number


def _hour_start(fields: dict[str, Any], run_id: str) -> HourStart | None:
    """Return the start of an hour. Only the producer of the run writes them."""
    if fields.get(RUN_ID) != run_id:
        return None
    try:
        return msgspec.convert(fields, HourStart)
    except msgspec.ValidationError as error:
        raise _Rejected(("undecodable", str(error))) from None


def _model(fields: dict[str, Any]) -> str:
    name = _get(fields, MODEL)
    if not is_model_name(name):
        raise _Rejected(
            (
                "invalid_model",
                f"{MODEL} {_show(name)}: use 1 to 64 letters, digits, '_', '-' and '.'",
            )
        )
    return str(name)


def _zone(fields: dict[str, Any]) -> int:
    zone = _int(fields, ZONE)
    if not FIRST_ZONE <= zone <= LAST_ZONE:
        raise _Rejected(("unknown_zone", f"{ZONE} {zone}: zones are {FIRST_ZONE} to {LAST_ZONE}"))
    return zone


def _hour(fields: dict[str, Any]) -> int:
    """Return the hour (epoch ms): `pickup_ts`, or the instant of `pickup_hour`."""
    if TS not in fields:
        return _hour_of_text(_get(fields, HOUR))
    ts = _int(fields, TS)
    if not EARLIEST_MS <= ts < LATEST_MS:
        if EARLIEST_MS <= ts * SECOND_MS < LATEST_MS:
            raise _Rejected(("epoch_seconds", f"{TS} {ts} is epoch seconds: pass {ts * SECOND_MS}"))
        raise _Rejected(("no_such_hour", f"{TS} {ts} is not an hour of 2009 to 2261"))
    if ts % HOUR_MS:
        raise _Rejected(("no_such_hour", f"{TS} {ts} is not the start of an hour"))
    if HOUR in fields and _hour_of_text(fields[HOUR]) != ts:
        text = _show(fields[HOUR])
        raise _Rejected(("no_such_hour", f"{HOUR} is {text}, {TS} another instant"))
    return ts


def _hour_of_text(text: object) -> int:
    try:
        if not isinstance(text, str):
            raise ValueError
        moment = datetime.fromisoformat(text.strip())
        ts = to_ts(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise _Rejected(
            ("no_such_hour", f"{HOUR} {_show(text)} is not RFC 3339 text of an hour")
        ) from None
    if ts % HOUR_MS or moment.microsecond:
        raise _Rejected(("no_such_hour", f"{HOUR} {_show(text)} is not the start of an hour"))
    return ts


def _demand(fields: dict[str, Any]) -> float:
    demand = _get(fields, PREDICTED)
    if isinstance(demand, bool) or not isinstance(demand, int | float):
        raise _Rejected(("not_a_number", f"{PREDICTED} {_show(demand)} is not a number"))
    if not (math.isfinite(demand) and abs(demand) < MAX_DEMAND):
        raise _Rejected(("not_a_number", f"{PREDICTED} {_show(demand)} is not a number of rides"))
    return round(float(demand), DECIMALS) + 0.0  # no negative zero


def _int(fields: dict[str, Any], name: str) -> int:
    value = _get(fields, name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Rejected(("not_an_int", f"{name} {_show(value)} is not an int"))
    return value


def _get(fields: dict[str, Any], name: str) -> Any:
    if name not in fields:
        raise _Rejected(("undecodable", f"no field {name}"))
    return fields[name]


def _show(value: object) -> str:
    return shown(repr(value), _SHOWN)
