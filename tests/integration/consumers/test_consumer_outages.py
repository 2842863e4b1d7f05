"""Redis fails for a while, goes back in time or hangs, and the consumer ends up with the same."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from rushhour.core import keys
from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.simulator.stack.ports import HOST, free_ports
from tests.chaos.servers import RedisServer
from tests.fixtures.consumers import HOURS, ConsumerRunner, after, between, until
from tests.fixtures.redis_server import contents
from tests.fixtures.settings import SettingsFactory
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.integration

BEGUN = 8  # hours that are closed before the fault
OnServer = Callable[[RedisServer], None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    yield server
    server.close()


@pytest.fixture
def consumer(
    server: RedisServer, module_broker: str, settings: SettingsFactory
) -> Iterator[ConsumerRunner]:
    url = f"redis://{HOST}:{server.port}"
    consumer = ConsumerRunner(settings(kafka=module_broker, redis=url), connect(url))
    yield consumer
    server.resume()
    consumer.close()


@pytest.fixture
def part(consumer: ConsumerRunner) -> ChildProcess:
    """A consumer that has closed some hours, and waits for the next one."""
    return begin(consumer)


def begin(consumer: ConsumerRunner) -> ChildProcess:
    consumer.prepare()
    consumer.publish(until(BEGUN))
    part = consumer.start()
    wait_until(lambda: consumer.hours_closed() == BEGUN, f"{BEGUN} hours are closed")
    return part


def log_of(part: ChildProcess) -> str:
    return part.log.read_text("utf-8")


def wait_for_log(part: ChildProcess, text: str) -> None:
    def found() -> bool:
        part.check()
        return text in log_of(part)

    wait_until(found, f"the log has '{text}'")


def finish(consumer: ConsumerRunner, part: ChildProcess, undisturbed: dict[str, object]) -> None:
    """Let a consumer go on to the end of the run, and compare what it leaves."""
    assert part.wait(60.0), "the consumer did not end"
    part.check()
    assert consumer.hours_closed() == HOURS
    assert contents(consumer.client) == undisturbed


def restart(server: RedisServer) -> None:
    dump = server.save()
    server.kill()
    time.sleep(1.5)  # longer than the lease thread waits between two renewals
    server.start(dump)


def make_replica(server: RedisServer) -> None:
    """As after a failover: a replica of a master that does not answer."""
    server.client.replicaof(HOST, free_ports(1)[0])
    time.sleep(1.5)
    server.client.replicaof("NO", "ONE")


def fill(server: RedisServer) -> None:
    server.client.config_set("maxmemory", 1)
    time.sleep(1.5)
    server.client.config_set("maxmemory", 0)


def break_connections(server: RedisServer) -> None:
    server.client.client_kill_filter(_type="normal", skipme=True)


def hang(server: RedisServer) -> None:
    server.freeze()
    time.sleep(6.0)  # longer than a lease
    server.resume()


@pytest.mark.parametrize("fault", [restart, make_replica, fill, break_connections, hang])
def test_a_consumer_waits_for_redis_and_goes_on(
    server: RedisServer,
    consumer: ConsumerRunner,
    part: ChildProcess,
    undisturbed_redis: dict[str, object],
    fault: OnServer,
) -> None:
    disturbing = threading.Thread(target=fault, args=(server,))
    disturbing.start()
    consumer.publish(after(BEGUN))  # while Redis is away
    disturbing.join()
    finish(consumer, part, undisturbed_redis)
    for line in log_of(part).splitlines():
        assert "unexpected" not in line


def test_an_outage_is_logged_once_at_its_beginning_and_once_at_its_end(
    server: RedisServer, consumer: ConsumerRunner, part: ChildProcess
) -> None:
    dump = server.save()
    server.kill()
    wait_for_log(part, "is lost, waiting for it")
    time.sleep(3.0)
    server.start(dump)
    wait_for_log(part, "is back after")
    lines = log_of(part).splitlines()
    where = f"consumer: Redis at redis://{HOST}:{server.port}"
    assert [line for line in lines if "lost" in line or "back" in line] == [
        next(line for line in lines if line.startswith(f"{where} is lost, waiting for it: ")),
        next(line for line in lines if line.startswith(f"{where} is back after ")),
    ]
    assert part.poll() is None


def test_an_older_dump_is_resumed(
    server: RedisServer,
    consumer: ConsumerRunner,
    part: ChildProcess,
    undisturbed_redis: dict[str, object],
) -> None:
    dump = server.save()
    consumer.publish(between(BEGUN, 15))
    wait_until(lambda: consumer.hours_closed() == 15, "15 hours are closed")
    server.kill()
    server.start(dump)
    consumer.publish(after(15))
    finish(consumer, part, undisturbed_redis)


@pytest.mark.parametrize("back_to", ["in the run", "before the lease"])
def test_a_redis_that_goes_back_in_time_without_a_word_is_noticed(
    server: RedisServer,
    consumer: ConsumerRunner,
    undisturbed_redis: dict[str, object],
    back_to: str,
) -> None:
    """The connections stay, as they do behind a proxy that fails over to a lagging replica."""
    part = begin(consumer)
    old = dump_all(server.client)
    if back_to == "before the lease":
        old.pop(keys.epoch("consumer-0"))
    consumer.publish(between(BEGUN, 15))
    wait_until(lambda: consumer.hours_closed() == 15, "15 hours are closed")
    restore_all(server.client, old)
    assert consumer.hours_closed() == BEGUN
    consumer.publish(after(15))
    finish(consumer, part, undisturbed_redis)
    assert "resuming from what Redis holds" in log_of(part)


def test_a_redis_that_goes_back_in_time_before_the_end_is_noticed_then(
    server: RedisServer, consumer: ConsumerRunner, undisturbed_redis: dict[str, object]
) -> None:
    """After the last transaction for the city, nothing else would look at Redis again."""
    part = begin(consumer)
    old = dump_all(server.client)
    consumer.publish(between(BEGUN, HOURS - 1))
    wait_until(lambda: consumer.hours_closed() == HOURS - 1, "all hours but one are closed")
    restore_all(server.client, old)
    consumer.publish(after(HOURS - 1))
    finish(consumer, part, undisturbed_redis)


def dump_all(client: redis.Redis) -> dict[str, bytes]:
    """Return every key but those that expire."""
    raw = redis.Redis.from_url(url_of(client))
    found = raw.scan_iter(count=1_000)
    return {key.decode(): raw.dump(key) for key in found if raw.pttl(key) == -1}  # type: ignore[misc]


def restore_all(client: redis.Redis, old: dict[str, bytes]) -> None:
    raw = redis.Redis.from_url(url_of(client)).pipeline(transaction=True)
    raw.flushall()
    for key, value in old.items():
        raw.restore(key, 0, value)
    raw.execute()


def url_of(client: redis.Redis) -> str:
    return f"redis://{HOST}:{client.connection_pool.connection_kwargs['port']}"


def test_an_empty_redis_stops_the_consumer(
    server: RedisServer, consumer: ConsumerRunner, part: ChildProcess
) -> None:
    server.kill()
    server.start(None)
    assert part.wait(30.0)
    assert part.exit_code == 5
    assert part.last_message() == (
        "this Redis has lost run id: restore its data, or start a new run with "
        "`rushhour prepare --new`"
    )
    assert consumer.client.keys("*") == []


def test_a_password_that_is_refused_later_stops_the_consumer(
    server: RedisServer, consumer: ConsumerRunner, part: ChildProcess
) -> None:
    server.client.config_set("requirepass", "secret")
    server.client.client_kill_filter(_type="normal", skipme=True)
    assert part.wait(30.0)
    assert part.exit_code == 5
    assert "a password is required" in part.last_message()


def test_sigterm_ends_the_consumer_soon_while_redis_hangs(
    server: RedisServer, consumer: ConsumerRunner, part: ChildProcess
) -> None:
    server.freeze()
    consumer.publish(between(BEGUN, 9))
    time.sleep(1.5)  # until both threads wait for Redis
    begin = time.monotonic()
    os.kill(part.pid, signal.SIGTERM)
    assert part.wait(8.0)
    assert time.monotonic() - begin < 8.0
    assert part.exit_code == 130


@pytest.mark.parametrize("first_wakes_after", ["its successor has begun", "the run is finished"])
def test_a_frozen_consumer_ends_when_it_wakes_and_touches_nothing(
    consumer: ConsumerRunner,
    part: ChildProcess,
    undisturbed_redis: dict[str, object],
    first_wakes_after: str,
) -> None:
    os.kill(part.pid, signal.SIGSTOP)
    consumer.publish(between(BEGUN, 15))
    successor = consumer.start()
    wait_until(lambda: consumer.hours_closed() == 15, "the successor has closed hours", 60.0)
    if first_wakes_after == "its successor has begun":
        os.kill(part.pid, signal.SIGCONT)
        assert part.wait(30.0)
        consumer.publish(after(15))
        finish(consumer, successor, undisturbed_redis)
    else:
        consumer.publish(after(15))
        finish(consumer, successor, undisturbed_redis)
        os.kill(part.pid, signal.SIGCONT)
        assert part.wait(30.0)
        assert contents(consumer.client) == undisturbed_redis
    assert part.exit_code == 6
    assert part.last_message() == "another consumer-0 has taken over: this one ends"
