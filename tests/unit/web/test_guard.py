"""Who may read the pages and command the run."""

import pytest

from rushhour.simulator.web.guard import Guard, Refused

LOCAL = Guard("127.0.0.1")
EVERYWHERE = Guard("0.0.0.0")
OWN = {
    "host": "127.0.0.1:8650",
    "origin": "http://127.0.0.1:8650",
    "content-type": "application/json",
}


@pytest.mark.parametrize("host", ["127.0.0.1:8650", "localhost:1", "localhost", "[::1]:8650"])
def test_this_machine_is_reached_by_its_own_names(host: str) -> None:
    LOCAL.check_host({"host": host})
    EVERYWHERE.check_host({"host": host})


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8650", "localhost.evil.example", "", "[", "127.0.0.1.x"]
)
def test_a_name_of_another_site_is_refused(host: str) -> None:
    for guard in (LOCAL, EVERYWHERE):
        with pytest.raises(Refused) as refused:
            guard.check_host({"host": host})
        assert refused.value.status == 421
    with pytest.raises(Refused):
        LOCAL.check_host({})


def test_another_address_is_that_of_this_server_only_if_it_is_bound_to_one() -> None:
    EVERYWHERE.check_host({"host": "192.0.2.7:8650"})
    with pytest.raises(Refused):
        LOCAL.check_host({"host": "192.0.2.7:8650"})


def test_a_name_that_is_given_is_one_of_this_server() -> None:
    Guard("0.0.0.0", ("demo.lan",)).check_host({"host": "Demo.lan:8650"})


def status_of(guard: Guard, **changes: str) -> int:
    headers = OWN | {name.replace("_", "-"): value for name, value in changes.items()}
    try:
        guard.check_command(headers)
    except Refused as refused:
        assert refused.reason
        return refused.status
    return 200


def test_a_page_of_this_server_commands_the_run() -> None:
    assert status_of(LOCAL) == 200
    assert status_of(LOCAL, content_type="application/json; charset=utf-8") == 200
    assert status_of(LOCAL, origin="https://127.0.0.1:8650") == 200  # behind a TLS proxy


@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://evil.example", "http://127.0.0.1:9999", "http://localhost:8650", "//x"],
)
def test_a_page_of_another_origin_does_not(origin: str) -> None:
    assert status_of(LOCAL, origin=origin) == 403


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_what_a_form_can_send_is_refused(kind: str) -> None:
    assert status_of(LOCAL, content_type=kind) == 415


def test_from_other_machines_a_command_needs_the_token() -> None:
    guard = Guard("0.0.0.0", token="geheim")
    assert guard.access == "token"
    assert status_of(guard) == 401
    assert status_of(guard, authorization="Bearer falsch") == 401
    assert status_of(guard, authorization="geheim") == 401
    assert status_of(guard, authorization="Bearer geheim") == 200


def test_without_a_token_the_pages_are_read_only_from_other_machines() -> None:
    assert EVERYWHERE.access == "none"
    assert status_of(EVERYWHERE) == 403
    assert status_of(EVERYWHERE, authorization="Bearer ") == 403


def test_a_token_that_is_set_is_needed_on_this_machine_too() -> None:
    assert LOCAL.access == "open"
    assert status_of(Guard("127.0.0.1", token="geheim")) == 401
