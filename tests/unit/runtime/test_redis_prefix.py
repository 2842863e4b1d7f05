"""Keys get the prefix of their run in every command that rushhour sends."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.commands.core import CoreCommands

from rushhour.core.redis_address import RedisAddress
from rushhour.runtime.redis_prefix import (
    COMMANDS,
    PrefixedRedis,
    client_of,
    with_prefix,
)

ROOT = Path(__file__).parents[3]
PACKAGES = ("rushhour", "producers", "dataflows", "consumers")
# What clients, pipelines and locks are called in these packages.
_CLIENT = re.compile(r"_?(client|pipe|pipeline|transaction|redis|connection)")
# Methods of redis-py that send another command than their name, or several.
_SENT_BY = {"delete": ["DEL"], "scan_iter": ["SCAN"], "register_script": ["EVALSHA", "SCRIPT LOAD"]}
_SENT_BY |= {"lock": ["SET", "EVALSHA"]}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("GET", "zone:1"), ("GET", "ann:zone:1")),
        (("GET", b"zone:1"), ("GET", b"ann:zone:1")),
        (("HSET", "zone:1", "zone:1", "zone:1"), ("HSET", "ann:zone:1", "zone:1", "zone:1")),
        (("UNLINK", "a", "b"), ("UNLINK", "ann:a", "ann:b")),
        (("WATCH", "a", "b"), ("WATCH", "ann:a", "ann:b")),
        (("ZADD", "board", 1.5, "132"), ("ZADD", "ann:board", 1.5, "132")),
        (("EVALSHA", "sha", 2, "a", "b", "c"), ("EVALSHA", "sha", 2, "ann:a", "ann:b", "c")),
        (("EVAL", "return 1", "0"), ("EVAL", "return 1", "0")),
        (("SCAN", 0), ("SCAN", 0, "MATCH", "ann:*")),
        (
            ("SCAN", 0, b"MATCH", "zone:*", b"COUNT", 10),
            ("SCAN", 0, b"MATCH", "ann:zone:*", b"COUNT", 10),
        ),
        (("SCAN", 0, b"COUNT", 10), ("SCAN", 0, b"COUNT", 10, "MATCH", "ann:*")),
        (
            ("XREAD", b"BLOCK", "200", b"STREAMS", "a", "b", "0-0", "$"),
            ("XREAD", b"BLOCK", "200", b"STREAMS", "ann:a", "ann:b", "0-0", "$"),
        ),
        (("PING",), ("PING",)),
        (("XINFO STREAM", "a"), ("XINFO STREAM", "ann:a")),
    ],
)
def test_each_key_of_a_command_gets_the_prefix(
    command: tuple[object, ...], expected: tuple[object, ...]
) -> None:
    assert with_prefix(command, "ann:") == expected


@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB", "KEYS", "RENAME", "SORT", "DBSIZE"])
def test_a_command_whose_keys_are_not_known_is_refused(command: str) -> None:
    with pytest.raises(redis.DataError, match=rf"^{command} cannot be used with a key prefix: "):
        with_prefix((command, "a"), "ann:")


def test_a_command_whose_reply_holds_keys_is_refused_in_a_pipeline() -> None:
    client = client_of(RedisAddress("redis://localhost:1", "ann"))
    with pytest.raises(redis.DataError, match="SCAN cannot be used in a pipeline"):
        client.pipeline().scan()


def test_without_a_prefix_the_client_is_a_plain_one() -> None:
    assert type(client_of(RedisAddress("redis://localhost:1"))) is redis.Redis
    assert type(client_of(RedisAddress("redis://localhost:1", "ann"))) is PrefixedRedis


def sent_commands(source: str) -> Iterator[str]:
    """Yield the Redis commands that a module sends."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        method, owner = node.func.attr, node.func.value
        name = getattr(owner, "attr", getattr(owner, "id", ""))
        if method == "execute_command":
            if isinstance(node.args[0], ast.Constant):  # else it is the user's
                yield str(node.args[0].value)
        elif _CLIENT.fullmatch(name):
            if method in _SENT_BY:
                yield from _SENT_BY[method]
            elif hasattr(CoreCommands, method):
                yield method.upper().replace("SCRIPT_", "SCRIPT ").replace("XINFO_", "XINFO ")


def test_every_command_that_rushhour_sends_has_its_keys_known() -> None:
    sent = {
        command: path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "redis_server.py"  # commands to the embedded server, which has no prefix
        for command in sent_commands(path.read_text("utf-8"))
    }
    assert {"HSET", "WATCH", "XREAD", "SCAN", "UNLINK", "ZADD", "HGETALL"} <= sent.keys()
    assert {command: path for command, path in sent.items() if command not in COMMANDS} == {}


def test_scripts_name_their_keys_only_in_the_list_of_keys() -> None:
    """A key in the text or the arguments of a script would lack the prefix."""
    calls = [
        (path.name, call)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for call in re.findall(r"redis\.p?call\(([^)]*)", path.read_text("utf-8"))
    ]
    for name, call in calls:
        words = [word.strip().strip("'\"") for word in call.split(",")]
        assert words[0].upper() == "TIME" or any(
            word.startswith("KEYS[") for word in words[1 : 3 if words[0] == "XINFO" else 2]
        ), f"{name}: {call}"
