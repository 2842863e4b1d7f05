"""The servers of a run: a Redis that can go back in time, and a broker that can be frozen."""

import os
import secrets
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import cast

import redis
from confluent_kafka.admin import AdminClient

from rushhour.core.topics import TOPICS
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.simulator.stack.ports import HOST, free_ports
from rushhour.simulator.stack.redis_binary import find_binary
from tests.chaos.launch import launch, launch_python
from tests.chaos.proxy import Address

_DUMP = "dump.rdb"
_START_S = 30.0
_TIMEOUT_S = 5.0


class RedisServer:
    """A real redis-server on a port that it keeps over restarts.

    Parameters
    ----------
    directory
        Where its data and its log are.
    dump
        The data that it starts with; none for an empty server.
    """

    def __init__(self, directory: Path, dump: Path | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._saved = 0
        self.port = free_ports(1)[0]
        self.client = redis.Redis(HOST, self.port, decode_responses=True, socket_timeout=_TIMEOUT_S)
        self.start(dump)

    @property
    def address(self) -> Address:
        """Host and port."""
        return HOST, self.port

    def start(self, dump: Path | None) -> None:
        """Start the server with the data of a dump, or with none."""
        file = self._directory / _DUMP
        file.unlink(missing_ok=True)
        if dump is not None:
            shutil.copy(dump, file)
        options = f"--bind {HOST} --port {self.port} --appendonly no --daemonize no --save"
        command = [find_binary().path, *options.split(), "", "--dir", str(self._directory)]
        self.process = launch("redis", command, self._directory / "redis.log")
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            with suppress(redis.RedisError):
                self.client.ping()
                return
            time.sleep(0.02)
        raise AssertionError(f"redis-server does not start: {self.process.last_message()}")

    def save(self) -> Path:
        """Save the data, and return the dump."""
        self.client.save()
        self._saved += 1
        copy = self._directory / f"saved-{self._saved}.rdb"
        shutil.copy(self._directory / _DUMP, copy)
        return copy

    def kill(self) -> None:
        """End the server; what it held is lost."""
        self.resume()
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(_START_S)

    def freeze(self) -> None:
        """Stop the process; connections stay open."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen process go on."""
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGCONT)

    def close(self) -> None:
        """End the server."""
        self.client.close()
        if self.process.poll() is None:
            self.kill()


class Broker:
    """The embedded broker in a process of its own, or a real Kafka, which is not ours to freeze.

    On a real one, the topics have a prefix of their own, and are deleted in the end. `real` is its
    address as its brokers advertise it.
    """

    def __init__(self, directory: Path, real: str | None = None) -> None:
        self._directory = directory
        self._real = real
        self._started = 0
        self._process: ChildProcess | None = None
        self.bootstrap = real or self._start()
        self.topic_prefix = f"chaos-{secrets.token_hex(4)}." if real else ""

    @property
    def embedded(self) -> bool:
        """Whether it is ours."""
        return self._real is None

    @property
    def address(self) -> Address:
        """Host and port."""
        host, _, port = self.bootstrap.split(",")[0].rpartition(":")
        return host, int(port)

    def topic(self, name: str) -> str:
        """Return the name of one of our topics on this broker."""
        return self.topic_prefix + name

    def freeze(self) -> None:
        """Stop the process; connections stay open."""
        os.kill(cast(ChildProcess, self._process).pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen process go on."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGCONT)

    def lose(self) -> None:
        """Lose all topics, as with Kafka's volume: another, empty broker takes over."""
        self.close()
        if self.embedded:
            self.bootstrap = self._start()

    def close(self) -> None:
        """End the broker, if it is ours, else delete the topics."""
        if not self.embedded:
            admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})
            existing = set(admin.list_topics(timeout=_START_S).topics)
            ours = sorted(existing & set(map(self.topic, TOPICS)))
            for deletion in admin.delete_topics(ours).values() if ours else ():
                deletion.result()
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait(_START_S)

    def _start(self) -> str:
        self._started += 1
        log = self._directory / f"broker-{self._started}.log"
        self._process = launch_python("broker", "rushhour.simulator.stack.broker", log, {})
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            text = log.read_text("utf-8")
            if text.endswith("\n"):
                return text.strip()
            time.sleep(0.02)
        raise AssertionError(f"the broker does not start: {self._process.last_message()}")
