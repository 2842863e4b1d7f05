"""What a client of Redis does when the server was away while its connection was idle."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack.ports import HOST
from tests.chaos.servers import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    yield server
    server.close()


@pytest.mark.parametrize("reconnect", [True, False])
def test_a_client_connects_again_without_a_word(server: RedisServer, reconnect: bool) -> None:
    client = connect(f"redis://{HOST}:{server.port}", reconnect=reconnect)
    server.kill()
    server.start(None)
    assert client.ping()


def test_a_client_that_connects_once_notices_that_the_server_was_away(server: RedisServer) -> None:
    client = connect(f"redis://{HOST}:{server.port}", once=True)
    assert client.ping()
    server.kill()
    server.start(None)
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            client.ping()


def test_a_client_that_connects_once_may_have_several_connections(server: RedisServer) -> None:
    client = connect(f"redis://{HOST}:{server.port}", once=True)
    with client.pipeline() as pipe:
        pipe.watch("key")  # type: ignore[no-untyped-call]
        assert client.ping()
        assert pipe.get("key") is None
