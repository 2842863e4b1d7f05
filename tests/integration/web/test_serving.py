"""The pages beside a real run: `rushhour up`, its embedded broker, and `rushhour web`."""

import os
import re
import signal
import socket
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from rushhour.core.errors import UsageError
from rushhour.core.settings import WEB_PORT
from rushhour.simulator.stack.page_server import listen, url_of
from rushhour.simulator.stack.ports import free_ports
from tests.fixtures.command import Running, Rushhour
from tests.fixtures.finished_run import Begin, up_args
from tests.fixtures.settings import SettingsFactory
from tests.fixtures.waiting import wait_until


def address_in(text: str) -> str | None:
    found = re.search(r"http://127\.0\.0\.1:\d+", text)
    return found[0] if found else None


def facts(url: str) -> dict[str, object] | None:
    """Return the facts of a run, once there is one."""
    with suppress(httpx.TransportError):
        found: dict[str, object] = httpx.get(f"{url}/api/run", timeout=20.0).json()
        return found if found["state"] else None
    return None


def page_processes(rushhour: Rushhour) -> list[int]:
    lines = rushhour.processes().items()
    return [pid for pid, line in lines if "rushhour.simulator.web" in line]


def begun(begin: Begin) -> tuple[Running, str]:
    """Start a slow run with pages, and return it with their address."""
    port = free_ports(1)[0]
    running, _ = begin("--web", "--web-port", port)
    url = f"http://127.0.0.1:{port}"
    assert f"pages      {url}\n" in running.err.read_text()
    wait_until(lambda: facts(url), "the pages know the run")
    return running, url


def test_a_run_serves_its_pages_and_survives_their_end(rushhour: Rushhour, begin: Begin) -> None:
    running, url = begun(begin)
    found = httpx.get(f"{url}/api/topics", timeout=20.0).json()
    topics = {topic["topic"]: topic["partitions"] for topic in found["topics"]}
    assert {process["name"]: process["alive"] for process in found["processes"]} == dict.fromkeys(
        ("producer-0", "dataflow-0", "consumer-0"), True
    )
    assert len(topics["trips"]) == 4
    assert all(part["lag"] is not None for part in topics["hourly_rides"])
    messages = httpx.get(f"{url}/api/topics/hourly_rides", timeout=20.0).json()["partitions"]
    assert [part["partition"] for part in messages] == [0, 1, 2, 3]
    for part in messages:
        offsets = [message["offset"] for message in part["messages"]]
        assert offsets == sorted(offsets, reverse=True)
        assert len(offsets) == 50
        assert part["messages"][0]["key"].isdecimal()

    (before,) = page_processes(rushhour)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: page_processes(rushhour) not in ([], [before]), "the pages are back")
    wait_until(lambda: facts(url), "the pages know the run again")
    assert "are started again" in running.err.read_text()

    answer = httpx.post(
        f"{url}/api/commands", json={"command": "speed", "value": "max"}, headers={"origin": url},
        timeout=60.0,
    )  # fmt: skip
    assert answer.json()["error"] is None
    done = running.end()
    assert done.code == 0, done.stderr
    assert page_processes(rushhour) == []


def test_the_pages_have_a_process_once_somebody_opens_them(
    rushhour: Rushhour, begin: Begin
) -> None:
    port = free_ports(1)[0]
    begin("--web", "--web-port", port)
    assert page_processes(rushhour) == []
    wait_until(lambda: facts(f"http://127.0.0.1:{port}"), "the pages know the run")
    assert len(page_processes(rushhour)) == 1


def test_a_port_that_is_asked_for_and_taken_is_one_line(rushhour: Rushhour, two_days: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        done = rushhour(*up_args(two_days, "max", "--web", "--web-port", port))
    assert done.code == 2
    assert done.one_line() == (
        f"rushhour: the pages cannot be served at 127.0.0.1 port {port}: Address already in use: "
        "choose another --web-port, or leave them out with --no-web"
    )
    assert rushhour.processes() == {}


def test_another_port_is_found_if_the_usual_one_is_taken(settings: SettingsFactory) -> None:
    with suppress(OSError), closing(socket.create_server(("127.0.0.1", WEB_PORT))) as taken:
        with closing(listen(settings())) as found:
            assert url_of(found) != f"http://127.0.0.1:{WEB_PORT}"
            assert found.getsockname()[1] in range(WEB_PORT + 1, WEB_PORT + 101)
        assert taken.fileno() >= 0


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_an_address_that_is_not_of_this_machine_is_one_line(
    settings: SettingsFactory, host: str
) -> None:
    with pytest.raises(UsageError, match=f"cannot be served at {host}") as caught:
        listen(settings(web_host=host))
    assert "Unknown error" not in str(caught.value)
    assert "choose another --web-host" in str(caught.value)


def test_without_pages_nothing_listens(rushhour: Rushhour, begin: Begin) -> None:
    running, _ = begin("--no-web", "--speed", "max")
    done = running.end()
    assert "\npages " not in done.stderr


def test_a_saved_run_is_served_until_ctrl_c(after_run: Rushhour) -> None:
    running = after_run.start("web", "--web-port", free_ports(1)[0])
    url = wait_until(lambda: address_in(running.out.read_text()), "the address is printed")
    found = wait_until(lambda: facts(url), "the pages know the run")
    assert found["state"] == "finished"
    assert "not up any more" in httpx.get(f"{url}/api/topics").json()["error"]
    running.process.send_signal(signal.SIGINT)
    done = running.end()
    assert (done.code, done.stderr) == (0, "serving the pages until Ctrl-C\n")
    assert page_processes(after_run) == []


def test_pages_without_a_run_wait_for_one(rushhour: Rushhour, begin: Begin) -> None:
    waiting = rushhour.start("web", "--web-port", free_ports(1)[0])
    url = wait_until(lambda: address_in(waiting.out.read_text()), "the address is printed")
    reason = wait_until(
        lambda: httpx.get(f"{url}/api/run", timeout=20.0).json().get("reason"), "they explain"
    )
    assert "no run found: start one with `rushhour up`" in reason
    begin()
    assert wait_until(lambda: facts(url), "the pages know the run")["dataset"] == "green"
