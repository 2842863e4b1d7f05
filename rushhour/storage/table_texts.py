"""Tables zone -> value, read as one text each: for readers of many tables, such as all of a month.

Redis joins the values in the order of the zones. That costs it some more than to send the fields
and the values of the hash, and the reader less than half as much.
"""

from collections.abc import Sequence
from contextlib import suppress

import msgspec
import numpy as np
from redis.client import Pipeline

from rushhour.core.arrays import Floats
from rushhour.core.keys import NOT_KNOWN
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE
from rushhour.runtime.lua import Script

_SEPARATOR = " "
_NAN = "nan"  # for a zone that is missing, or whose value is not known
_NULL = "null"  # the same in JSON
_READ = Script(
    f"""
    local zones, texts = {{}}, {{}}
    for zone = {FIRST_ZONE}, {LAST_ZONE} do zones[#zones + 1] = tostring(zone) end
    for i = 1, #KEYS do
      local values = redis.call('HMGET', KEYS[i], unpack(zones))
      for j, value in ipairs(values) do
        if not value or value == '{NOT_KNOWN}' then values[j] = '{_NAN}' end
      end
      texts[i] = table.concat(values, '{_SEPARATOR}')
    end
    return texts
    """
)

_DECODER = msgspec.json.Decoder(list[float | None])


def queue_texts(pipe: Pipeline, keys: Sequence[str]) -> None:
    """Queue the read of some tables: the reply has a text for each, as `from_text` takes it."""
    _READ.queue(pipe, keys)


def from_text(text: str) -> Floats:
    """Return a table as a column: NaN where a zone is missing or its value is not known.

    Raises
    ------
    ValueError
        If a value is not a number; it is named.

    >>> from_text("3.0 0.25 nan 0")
    array([3.  , 0.25,  nan, 0.  ])
    """
    # As JSON, which is read several times faster than a number by itself. Any client may have
    # written a value that is JSON and no number: these are left to `float`.
    if "," not in text and _NULL not in text:
        json = text.replace(_SEPARATOR, ",").replace(_NAN, _NULL)
        with suppress(msgspec.DecodeError):
            return np.array(_DECODER.decode(f"[{json}]"), np.float64)
    return np.array(list(map(float, text.split(_SEPARATOR))))


def rows_from_text(text: str, columns: int) -> Floats:
    """Return a table whose values are several numbers, joined by commas: `float64[zones, columns]`.

    Raises
    ------
    ValueError
        If a value is not as many numbers; it is named.

    >>> rows_from_text("1.5,2.0 nan", 2)
    array([[1.5, 2. ],
           [nan, nan]])
    """
    unknown = ",".join([_NAN] * columns)
    rows = [unknown if row == _NAN else row for row in text.split(_SEPARATOR)]
    for row in rows:
        if row.count(",") != columns - 1:
            raise ValueError(f"{columns} numbers expected, got '{row}'")
    return from_text(_SEPARATOR.join(rows).replace(",", _SEPARATOR)).reshape(-1, columns)
