"""Hashes that one script writes, against a command for each."""

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushhour.storage.hash_rows import HashRows
from tests.fixtures.redis_server import contents

pytestmark = pytest.mark.integration

text = st.text(max_size=20).filter(lambda each: each.isprintable())


@st.composite
def blocks(draw: st.DrawFn) -> tuple[list[str], list[str], list[list[str]]]:
    keys = draw(st.lists(st.sampled_from("abcdef"), unique=True))
    fields = draw(st.lists(text, unique=True, max_size=300))
    return keys, fields, [[draw(text) for _ in fields] for _ in keys]


def write(client: redis.Redis, hashes: HashRows) -> None:
    with client.pipeline() as pipe:
        hashes.queue(pipe)
        pipe.execute()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(blocks(), max_size=4))
def test_blocks_are_what_a_command_for_each_hash_writes(
    client: redis.Redis, found: list[tuple[list[str], list[str], list[list[str]]]]
) -> None:
    client.flushall()
    for keys, fields, rows in found:
        for key, row in zip(keys, rows, strict=True):
            if fields:
                client.hset(key, mapping=dict(zip(fields, row, strict=True)))
    expected = contents(client)

    client.flushall()
    hashes = HashRows()
    for block in found:
        hashes.put(*block)
    write(client, hashes)
    assert contents(client) == expected


def test_a_redis_that_has_forgotten_its_scripts_writes(client: redis.Redis) -> None:
    client.script_flush()
    hashes = HashRows()
    hashes.put(["a"], ["x"], [["1"]])
    write(client, hashes)
    assert client.hgetall("a") == {"x": "1"}
