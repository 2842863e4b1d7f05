"""Scripts that Redis runs in one step."""

import hashlib
from collections.abc import Sequence
from typing import Any

import redis
from redis.client import Pipeline


class Script:
    """A Lua script, sent once and called by its hash from then on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def run(
        self, client: redis.Redis, keys: Sequence[str], arguments: Sequence[str | int] = ()
    ) -> Any:
        """Run the script on a client, or at once on a pipeline that watches."""
        try:
            return client.evalsha(self._sha, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:
            return client.eval(self._text, len(keys), *keys, *arguments)

    def queue(
        self, pipe: Pipeline, keys: Sequence[str], arguments: Sequence[str | int | bytes] = ()
    ) -> None:
        """Queue the script in a transaction.

        Its text is sent, because a hash that Redis has forgotten would fail in the midst of it.
        """
        pipe.eval(self._text, len(keys), *keys, *arguments)
