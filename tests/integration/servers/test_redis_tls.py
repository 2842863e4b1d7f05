"""Redis over TLS (`rediss://`) and over a socket (`unix://`): runs, and mistakes in one line."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rushhour.core.errors import RedisFailure
from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack.ports import free_ports
from rushhour.simulator.stack.redis_binary import find_binary
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.tls import Certificates
from tests.fixtures.waiting import wait_until


@pytest.fixture(scope="module")
def port(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Redis that speaks TLS only, and knows its clients by their password."""
    directory = tmp_path_factory.mktemp("redis")
    (port,) = free_ports(1)
    options = {
        "port": "0",
        "tls-port": str(port),
        "bind": "127.0.0.1",
        "tls-cert-file": str(certificates.certificate),
        "tls-key-file": str(certificates.key),
        "tls-ca-cert-file": str(certificates.authority),
        "tls-auth-clients": "no",
        "requirepass": "secret",
        "save": "",
        "dir": str(directory),
    }
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen([find_binary().path, *flags], stdout=log)
    started = wait_until(
        lambda: process.poll() is not None or "Ready to accept" in (directory / "log").read_text(),
        "the server starts",
        30.0,
    )
    if not started or process.poll() is not None:
        pytest.skip("needs a redis-server that was built with TLS")
    yield port
    process.terminate()
    process.wait()


def test_a_run_over_tls(
    rushhour: Rushhour, cli: Cli, two_days: Path, port: int, certificates: Certificates
) -> None:
    url = f"rediss://:secret@127.0.0.1:{port}/1?ssl_ca_certs={certificates.authority}"
    span = ("--dataset", "green", "--until", "2024-10-01 03:00", "--speed", "max")
    env = {"RUSHHOUR_REDIS": url, "RUSHHOUR_KEY_PREFIX": "ada"}
    ended = rushhour("up", *span, "--data", two_days, "--exit", env=env, timeout=120.0)
    assert ended.code == 0, ended.stderr
    assert cli(rushhour, "verify", env=env).code == 0
    assert connect(url).exists("ada:city")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("?ssl_ca_certs={other_authority}", "certificate verify failed"),
        ("", "Name its authority by ssl_ca_certs=FILE in the URL"),
        ("?ssl_ca_certs={key}", "no certificate or crl found"),
    ],
    ids=["other-authority", "unknown-authority", "no-certificates"],
)
def test_a_server_that_cannot_be_trusted_is_refused_in_one_line(
    rushhour: Rushhour, cli: Cli, port: int, certificates: Certificates, options: str, problem: str
) -> None:
    url = f"rediss://:secret@127.0.0.1:{port}{options.format_map(vars(certificates))}"
    ended = cli(rushhour, "status", "--redis", url)
    assert ended.code == 5
    assert problem in ended.one_line()
    assert f"Redis at rediss://:***@127.0.0.1:{port}" in ended.one_line()


def test_a_server_may_be_used_unverified(port: int) -> None:
    url = f"rediss://:secret@127.0.0.1:{port}?ssl_cert_reqs=none&ssl_check_hostname=no"
    assert connect(url).ping()


def test_a_client_without_tls_is_refused_in_one_line(port: int) -> None:
    with pytest.raises(RedisFailure, match=r"^Redis at redis://:\*\*\*@127\.0\.0\.1:.* [^\n]+$"):
        connect(f"redis://:secret@127.0.0.1:{port}")


def test_a_missing_socket_is_one_line(rushhour: Rushhour, cli: Cli, tmp_path: Path) -> None:
    ended = cli(rushhour, "status", "--redis", f"unix://{tmp_path}/redis.sock")
    assert ended.code == 5
    assert "No such file or directory" in ended.one_line()
