"""Tables zone -> value, read as one text each: for readers of many tables, such as all of a month.

Redis joins the values in the order of the zones. That costs it some more than to send the fields
and the values of the hash, and the reader less than half as much.
"""

from collections.abc import Sequence

import numpy as np
from redis.client import Pipeline

from rushhour.core.arrays import Floats
from rushhour.core.keys import NOT_KNOWN
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE
from rushhour.runtime.lua import Script

_NAN = "nan"  # for a zone that is missing, or whose value is not known
_READ = Script(
    f"""
    local zones, texts = {{}}, {{}}
    for zone = {FIRST_ZONE}, {LAST_ZONE} do zones[#zones + 1] = tostring(zone) end
    for i = 1, #KEYS do
      local values = redis.call('HMGET', KEYS[i], unpack(zones))
      for j, value in ipairs(values) do
        if not value or value == '{NOT_KNOWN}' then values[j] = '{_NAN}' end
      end
      texts[i] = table.concat(values, ' ')
    end
    return texts
    """
)


def queue_texts(pipe: Pipeline, keys: Sequence[str]) -> None:
    """Queue the read of some tables: the reply has a text for each, as `from_text` takes it."""
    _READ.queue(pipe, keys)


def from_text(text: str) -> Floats:
    """Return a table as a column: NaN where a zone is missing or its value is not known.

    >>> from_text("3.0 0.25 nan 0")
    array([3.  , 0.25,  nan, 0.  ])
    """
    return np.array([float(value) for value in text.split(" ")])
