"""Many hashes with the same fields, which one script writes: a command for each costs far more.

A command is packed argument by argument, and its reply is read. Here a block of hashes is one
argument: their fields once, and a row of values for each.
"""

from collections.abc import Sequence

import msgspec
from redis.client import Pipeline

from rushhour.runtime.lua import Script

# The hashes of all blocks are the keys, in their order.
_WRITE = Script(
    """
    local key = 0
    for _, block in ipairs(cmsgpack.unpack(ARGV[1])) do
      local fields, rows = block[1], block[2]
      local arguments = {}
      for i = 1, #fields do arguments[2 * i - 1] = fields[i] end
      for _, row in ipairs(rows) do
        for i = 1, #fields do arguments[2 * i] = row[i] end
        key = key + 1
        redis.call('HSET', KEYS[key], unpack(arguments))
      end
    end
    """
)


class HashRows:
    """Hashes to write in one transaction, as text."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._blocks: list[tuple[Sequence[str], Sequence[Sequence[str]]]] = []

    def put(
        self, keys: Sequence[str], fields: Sequence[str], rows: Sequence[Sequence[str]]
    ) -> None:
        """Set the same fields of several hashes.

        Parameters
        ----------
        keys
            The hashes.
        fields
            The fields: at most 2,000, because the stack of a script is limited.
        rows
            Values of the fields, a row for each hash.
        """
        if fields:
            self._keys += keys
            self._blocks.append((fields, rows))

    def queue(self, pipe: Pipeline) -> None:
        """Queue what was put as one command of a transaction."""
        if self._keys:
            _WRITE.queue(pipe, self._keys, (msgspec.msgpack.encode(self._blocks),))
