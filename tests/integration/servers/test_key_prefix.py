"""Runs with different key prefixes share one Redis, and none sees the keys of another."""

from pathlib import Path

import pytest
import redis

from rushhour import views
from rushhour.core.redis_address import RedisAddress
from rushhour.runtime.redis_client import connect
from rushhour.runtime.redis_prefix import PrefixedRedis
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.redis_server import contents

HALF_DAY = ("--dataset", "green", "--until", "2024-10-01 05:00", "--speed", "max", "--exit", "-q")


@pytest.fixture
def of_ann(redis_server: EmbeddedRedis, client: redis.Redis) -> redis.Redis:
    """A client of the emptied Redis with the prefix `ann`."""
    return connect(RedisAddress(redis_server.url, "ann"))


def test_two_runs_on_one_redis_are_both_right(
    rushhour: Rushhour,
    cli: Cli,
    two_days: Path,
    redis_server: EmbeddedRedis,
    client: redis.Redis,
    of_ann: redis.Redis,
) -> None:
    url = ("--redis", redis_server.url)
    args = ("up", *HALF_DAY, "--data", two_days, *url)
    plain = rushhour.start(*args)
    prefixed = rushhour.start(
        *args, "--key-prefix", "ann", "--state-dir", rushhour.directory / "ann"
    )
    assert [run.end(120.0) for run in (plain, prefixed)] == [plain.end(), prefixed.end()]
    assert (plain.end().code, prefixed.end().code) == (0, 0), prefixed.end().stderr

    found = contents(of_ann)
    assert found == {
        key: value for key, value in contents(client).items() if not key.startswith("ann:")
    }
    assert found == {
        key.removeprefix("ann:"): value
        for key, value in contents(client).items()
        if key.startswith("ann:")
    }
    for prefix in ([], ["--key-prefix", "ann"]):
        for command in ("status", "models", "alerts", "compare", "verify"):
            assert cli(rushhour, command, *url, *prefix).code == 0
        assert cli(rushhour, "zone", "132", *url, *prefix).code == 0
        assert cli(rushhour, "watch", "--json", "--from-start", *url, *prefix).code == 0
    assert views.comparison(of_ann).equals(views.comparison(client))


def test_a_new_run_leaves_those_of_other_prefixes_alone(
    rushhour: Rushhour,
    cli: Cli,
    client: redis.Redis,
    redis_server: EmbeddedRedis,
    module_broker: str,
) -> None:
    for prefix in ("", "ann:", "bob:", "ann.b:"):
        client.hset(f"{prefix}zone:132", mapping={"rides": 5})
        client.hset(f"{prefix}rides:2024-10-01T00", mapping={"132": 5})
        client.xadd(f"{prefix}city:hourly", {"rides": 5})
    before = {key: client.dump(key) for key in client.scan_iter() if not key.startswith("ann:")}
    servers = {"RUSHHOUR_KAFKA": module_broker, "RUSHHOUR_REDIS": redis_server.url}
    args = ("prepare", "--new", "--month", "2024-10", "--key-prefix", "ann")
    prepared = cli(rushhour, *args, env=servers)
    assert prepared.code == 0, prepared.stderr
    after = {key: client.dump(key) for key in client.scan_iter()}
    assert {key for key in after if key.startswith("ann:")} == {"ann:sim:offsets", "ann:sim:run"}
    assert {key: value for key, value in after.items() if not key.startswith("ann:")} == before


def test_a_transaction_and_what_it_watches_have_the_prefix(
    client: redis.Redis, of_ann: redis.Redis
) -> None:
    client.set("zone:1", "of another")
    with of_ann.pipeline() as pipe:
        pipe.watch("zone:1")  # type: ignore[no-untyped-call]
        assert pipe.get("zone:1") is None
        pipe.multi()
        pipe.set("zone:1", "of ann")
        pipe.zadd("board:rides", {"1": 2.0})
        pipe.hset("city", "rides", "3")
        client.set("zone:1", "changed meanwhile")  # another key: does not disturb
        pipe.execute()
    with of_ann.pipeline() as pipe:
        pipe.watch("zone:1")  # type: ignore[no-untyped-call]
        client.set("ann:zone:1", "disturbed")
        pipe.multi()
        pipe.delete("zone:1")
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert sorted(client.scan_iter()) == ["ann:board:rides", "ann:city", "ann:zone:1", "zone:1"]
    assert client.get("zone:1") == "changed meanwhile"


def test_scripts_streams_and_scans_have_the_prefix(
    client: redis.Redis, of_ann: redis.Redis
) -> None:
    client.set("sim:lease:a", "of another")
    script = of_ann.register_script("return redis.call('SET', KEYS[1], ARGV[1])")
    assert script(keys=["sim:lease:b"], args=["mine"]) in {"OK", True}
    with of_ann.pipeline() as pipe:
        script(keys=["sim:lease:c"], args=["mine"], client=pipe)
        pipe.execute()
    assert sorted(of_ann.scan_iter(match="sim:lease:*")) == ["sim:lease:b", "sim:lease:c"]
    assert sorted(of_ann.scan_iter()) == ["sim:lease:b", "sim:lease:c"]
    of_ann.xadd("alerts", {"zone": "1"}, id="5-1")
    (name, entries), *others = _streams(of_ann.xread({"alerts": "0"}))
    assert (name, others) == ("alerts", [])
    assert "5-1" in str(entries)
    assert of_ann.xread({"alerts": "5-1"}) in ([], {})
    with of_ann.lock("lock", timeout=5.0):
        assert client.exists("ann:lock")
    assert not client.exists("ann:lock")
    assert client.get("sim:lease:a") == "of another"


def _streams(reply: object) -> list[tuple[str, object]]:
    """Return the reply to XREAD of either protocol as pairs."""
    assert isinstance(reply, dict | list)
    return [*reply.items()] if isinstance(reply, dict) else [(name, got) for name, got in reply]


def test_a_client_of_a_url_takes_a_prefix_as_well(
    redis_server: EmbeddedRedis, of_ann: redis.Redis
) -> None:
    of_ann.set("a", "b")
    ours = connect(redis_server.url, key_prefix="ann")
    assert isinstance(ours, PrefixedRedis)
    assert ours.get("a") == "b"
