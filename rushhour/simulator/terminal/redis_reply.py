"""A reply of Redis as redis-cli prints it where nobody watches: one value per line."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def reply_lines(reply: Any) -> Iterator[str]:
    """Yield the lines of a reply; an empty one for nil, as redis-cli does.

    >>> list(reply_lines(["JFK Airport", None, 42]))
    ['JFK Airport', '', '42']
    >>> list(reply_lines({"name": "JFK Airport"}))
    ['name', 'JFK Airport']
    >>> list(reply_lines([("1727910000000-0", {"rides": "5"})]))
    ['1727910000000-0', 'rides', '5']
    """
    if isinstance(reply, Mapping):
        for key, value in reply.items():
            yield from reply_lines(key)
            yield from reply_lines(value)
    elif isinstance(reply, Iterable) and not isinstance(reply, str | bytes):
        for each in reply:
            yield from reply_lines(each)
    elif isinstance(reply, bool):
        yield str(int(reply))  # redis-py turns some numbers into bools
    elif isinstance(reply, float):
        yield f"{reply:.17g}"
    else:
        yield "" if reply is None else str(reply)
