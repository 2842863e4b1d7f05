"""The proxy: what it does to connections, and what clients of Kafka see of it."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import confluent_kafka as ck
import pytest

from rushhour.simulator.stack.ports import HOST
from tests.chaos.proxy import DELAY_S, KafkaFrames, Loop, Mode, Proxy
from tests.chaos.servers import Broker


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that answers each line with the line."""

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                stream.write(line)
                stream.flush()

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server((HOST, 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield HOST, int(server.getsockname()[1])


@pytest.fixture
def proxy(loop: Loop, echo: tuple[str, int]) -> Iterator[Proxy]:
    proxy = Proxy(loop, echo)
    yield proxy
    proxy.close()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=5.0)


def ask(connection: socket.socket) -> bytes:
    connection.sendall(b"hello\n")
    return connection.recv(100)


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


def test_an_open_proxy_forwards(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert ask(connection) == b"hello\n"


def test_a_cut_closes_connections_and_refuses_new_ones(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        ask(connection)
        proxy.switch("cut")
        assert is_closed(connection)
        with connect(proxy) as again:
            assert is_closed(again)
        proxy.switch("open")
        with connect(proxy) as again:
            assert ask(again) == b"hello\n"


def test_a_delay_holds_bytes_back(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        proxy.switch("delayed")
        begin = time.monotonic()
        assert ask(connection) == b"hello\n"
        assert time.monotonic() - begin >= 2 * DELAY_S


@pytest.mark.parametrize("mode", ["half-open", "mute"])
def test_a_half_open_connection_says_nothing_until_it_is_closed(proxy: Proxy, mode: Mode) -> None:
    with connect(proxy) as connection:
        ask(connection)
        proxy.switch(mode)
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            ask(connection)
        connection.settimeout(5.0)
        proxy.switch("open")
        assert is_closed(connection)


def test_a_mute_server_has_received_what_was_sent(loop: Loop) -> None:
    with socket.create_server((HOST, 0)) as server:
        proxy = Proxy(loop, (HOST, int(server.getsockname()[1])))
        proxy.switch("mute")
        with connect(proxy) as connection:
            connection.sendall(b"hello\n")
            accepted, _ = server.accept()
            with accepted:
                assert accepted.recv(100) == b"hello\n"
        proxy.close()


def frame(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


def test_the_port_is_replaced_in_whole_frames_however_they_arrive() -> None:
    named = b"\x00\x09" + HOST.encode() + struct.pack(">i", 40_001) + b"rest"
    stream = frame(named) + frame(b"no broker") + frame(named)
    for size in (1, 3, 7, len(stream)):
        frames = KafkaFrames(HOST, 40_001, 50_002)
        found = b"".join(
            frames.feed(stream[begin : begin + size]) for begin in range(0, len(stream), size)
        )
        assert len(found) == len(stream)
        assert found == stream.replace(struct.pack(">i", 40_001), struct.pack(">i", 50_002))


def test_clients_of_kafka_stay_behind_the_proxy(loop: Loop, tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    proxy = Proxy(loop, broker.address, kafka=True)
    try:
        producer = ck.Producer({"bootstrap.servers": proxy.address, "log_level": 2})
        metadata = producer.list_topics(timeout=10.0)
        assert {each.port for each in metadata.brokers.values()} == {proxy.port}
        producer.produce("trips", b"value", partition=0)
        assert producer.flush(10.0) == 0
        proxy.switch("half-open")
        producer.produce("trips", b"value", partition=0)
        assert producer.flush(0.5) == 1
        proxy.switch("open")
        assert producer.flush(10.0) == 0
    finally:
        proxy.close()
        broker.close()
