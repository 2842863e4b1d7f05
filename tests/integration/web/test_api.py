"""What the pages are told when they ask: over HTTP, of a run in a real Redis."""

import gzip
import json
import re
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest
import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.errors import RedisFailure
from rushhour.core.run import LOOP_END_TS
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.simulator.web.guard import Guard
from rushhour.simulator.web.pages import PAGES
from rushhour.simulator.web.source import Place
from rushhour.storage.clock import save_status
from rushhour.storage.runs import load_run, save_run
from tests.fixtures.closed_run import HOUR, HOURS, START, alerts_of, lower_of, mean_of, rides_of
from tests.fixtures.web import Serve, ServedPages

LAST = START + (HOURS - 1) * HOUR
JSON = {"content-type": "application/json"}


@pytest.fixture
def pages(serve: Serve, closed_run: redis.Redis, redis_server: EmbeddedRedis) -> ServedPages:
    """The pages of a run with four closed hours."""
    return serve(redis_server.url)


def get(pages: ServedPages, path: str, status: int = 200) -> Any:
    answer = httpx.get(pages.url + path)
    assert answer.status_code == status, answer.text
    return answer.json()


def command(pages: ServedPages, content: str | bytes, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{pages.url}/api/commands",
        content=content,
        headers={"origin": pages.url} | JSON | headers,
        timeout=30.0,
    )


def test_the_facts_of_the_run(pages: ServedPages, closed_run: redis.Redis) -> None:
    facts = get(pages, "/api/run")
    assert (facts["first_ts"], facts["last_ts"], facts["hours"]) == (START, START + 8 * HOUR, 9)
    assert facts["models"] == {
        "served": "mixture", "challengers": ["silent"], "baselines": ["last_hour"], "submitted": [],
    }  # fmt: skip
    assert (facts["state"], facts["access"], facts["zone_count"]) == ("starting", "open", 265)
    closed_run.hset(keys.SUBMISSIONS, "models", "mine,<b>")
    assert get(pages, "/api/run")["models"]["submitted"] == ["mine", "<b>"]


def test_the_facts_of_a_loop_are_those_of_its_first_pass(
    pages: ServedPages, closed_run: redis.Redis
) -> None:
    run = load_run(closed_run)
    save_run(
        closed_run, replace(run, end_ts=LOOP_END_TS, loop_ts=START + 168 * HOUR, keep_hours=840)
    )
    facts = get(pages, "/api/run")
    assert (facts["loop"], facts["keep_hours"], facts["hours"]) == (True, 840, 168)
    assert facts["last_ts"] == START + 167 * HOUR
    assert get(pages, f"/api/hours/{LAST}")["pickup_ts"] == LAST


def test_without_a_run_the_facts_say_so(
    serve: Serve, client: redis.Redis, redis_server: EmbeddedRedis
) -> None:
    pages = serve(redis_server.url)
    facts = get(pages, "/api/run")
    assert facts["state"] is None
    assert "holds no run" in facts["reason"]
    assert "holds no run" in get(pages, f"/api/hours/{START}", 503)["error"]
    for page in PAGES:
        assert httpx.get(pages.url + page.path).status_code == 200


def test_an_hour_of_all_zones(pages: ServedPages) -> None:
    hour = get(pages, f"/api/hours/{LAST}")
    index, zones = HOURS - 1, hour["zones"]
    assert hour["pickup_ts"] == LAST
    assert hour["city"]["rides"] == rides_of(index).sum()
    assert "hour" not in hour["city"]
    assert zones["rides"] == rides_of(index).tolist()
    assert zones["predicted"] == mean_of(index).tolist()
    assert zones["lower"] == lower_of(index).tolist()
    assert zones["next_predicted"] == mean_of(index + 1).tolist()
    assert zones["error"] == pytest.approx((mean_of(index) - rides_of(index)).tolist())
    assert {len(column) for column in zones.values()} == {265}


def test_errors_of_a_past_hour_are_those_that_the_board_had(
    pages: ServedPages, closed_run: redis.Redis
) -> None:
    board = dict(cast(Any, closed_run.zrange(keys.BOARD_MAE, 0, -1, withscores=True)))
    mae = get(pages, f"/api/hours/{LAST}")["zones"]["mae_24h"]
    assert mae == pytest.approx([board[str(zone)] for zone in range(1, 266)], abs=1e-4)


@pytest.mark.parametrize("ts", [LAST + HOUR, START - HOUR, LAST + 1, 0, 10**15])
def test_an_hour_that_is_not_closed_is_not_found(pages: ServedPages, ts: int) -> None:
    assert get(pages, f"/api/hours/{ts}", 404) == {"error": "that hour is not closed"}


def test_the_past_of_a_zone_ends_with_the_hour_that_is_predicted(pages: ServedPages) -> None:
    zone = get(pages, "/api/zones/132?hours=3")
    indexes = range(HOURS - 3, HOURS + 1)
    assert zone["pickup_ts"] == [START + index * HOUR for index in indexes]
    assert zone["rides"] == [*(rides_of(i)[131] for i in indexes[:-1]), None]
    assert zone["predicted"] == [mean_of(i)[131] for i in indexes]
    assert zone["error"][-1] is None
    assert [each["pickup_ts"] for each in zone["alerts"]] == [
        START + i * HOUR for i in indexes[:-1] if alerts_of(i)[131] == -0.5
    ]
    assert get(pages, "/api/zones/132?hours=nonsense")["pickup_ts"][0] == START
    assert "265" in get(pages, "/api/zones/266", 404)["error"]


def test_the_past_of_the_city(pages: ServedPages) -> None:
    city = get(pages, "/api/city?window=all")
    assert city["pickup_ts"] == [START + index * HOUR for index in range(HOURS)]
    assert city["rides"] == [rides_of(index).sum() for index in range(HOURS)]
    assert "24h, 7d, all" in get(pages, "/api/city?window=<b>", 404)["error"]


def test_an_unknown_kafka_is_said_to_be_so(pages: ServedPages) -> None:
    assert "RUSHHOUR_KAFKA" in get(pages, "/api/topics")["error"]


# Commands.


def test_a_refused_command_says_why(pages: ServedPages, closed_run: redis.Redis) -> None:
    answer = command(pages, '{"command": "until", "value": "<b>tomorrow"}').json()
    assert answer["id"] is None
    assert "not a whole hour" in answer["error"]
    assert closed_run.xlen(keys.COMMANDS) == 0


def test_a_run_that_has_ended_takes_no_command(pages: ServedPages, closed_run: redis.Redis) -> None:
    save_status(closed_run, ClockStatus(START, "6h/s", "finished", 0))
    assert "has finished" in command(pages, '{"command": "pause"}').json()["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("[]", 400),
        (b"\xff", 400),
        ('{"command": "stop"}', 400),
        ('{"command": "flushall"}', 400),
        ('{"command": 1}', 400),
        ('{"command": "pause", "also": 1}', 400),
        ('{"command": "' + "x" * 2_000 + '"}', 413),
    ],
)
def test_what_is_no_command_is_not_sent(
    pages: ServedPages, closed_run: redis.Redis, body: str | bytes, status: int
) -> None:
    answer = command(pages, body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert closed_run.xlen(keys.COMMANDS) == 0


def test_another_page_cannot_command_the_run(pages: ServedPages, closed_run: redis.Redis) -> None:
    body = '{"command": "pause"}'
    assert command(pages, body, origin="http://evil.example").status_code == 403
    assert command(pages, body, **{"content-type": "text/plain"}).status_code == 415
    assert command(pages, body, host="evil.example").status_code == 421
    assert httpx.get(f"{pages.url}/api/commands").status_code == 405
    preflight = httpx.options(f"{pages.url}/api/commands", headers={"origin": "http://evil"})
    assert preflight.status_code == 405
    assert "access-control-allow-origin" not in preflight.headers
    assert closed_run.xlen(keys.COMMANDS) == 0


def test_a_token_is_asked_for(
    serve: Serve, closed_run: redis.Redis, redis_server: EmbeddedRedis
) -> None:
    save_status(closed_run, ClockStatus(START, "6h/s", "finished", 0))
    pages = serve(redis_server.url, Guard("0.0.0.0", token="geheim"))
    assert command(pages, '{"command": "pause"}').status_code == 401
    allowed = command(pages, '{"command": "pause"}', authorization="Bearer geheim")
    assert "has finished" in allowed.json()["error"]
    assert 'data-access="token"' in httpx.get(pages.url).text
    assert "geheim" not in httpx.get(pages.url).text


# Files and headers.


def test_every_answer_binds_the_browser(pages: ServedPages) -> None:
    for path in ("/", "/static/base.css", "/api/run", "/nothing", "/static/../app.py"):
        headers = httpx.get(pages.url + path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert headers["x-content-type-options"] == "nosniff"
    refused = httpx.get(pages.url, headers={"host": "evil.example"})
    assert refused.status_code == 421
    assert "rushhour web" not in refused.text


def test_the_pages_have_no_script_in_their_text(pages: ServedPages) -> None:
    for page in PAGES:
        text = httpx.get(pages.url + page.path).text
        assert re.findall(r"<script(?![^>]* src=)", text) == []
        assert re.findall(r"\son\w+=", text) == []
        assert "{{" not in text
        assert re.findall(r'(?:src|href)="(?!/|#)', text) == []


def test_no_script_puts_text_into_the_page_as_markup() -> None:
    from rushhour.simulator.web.assets import STATIC  # noqa: PLC0415

    for script in STATIC.glob("*.js"):
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function",
            script.read_text("utf-8"),
        )
        assert found == [], script.name


def test_files_are_compressed_and_asked_for_once(pages: ServedPages) -> None:
    for name in re.findall(r"/static/[\w.-]+", httpx.get(pages.url).text):
        first = httpx.get(pages.url + name)
        assert first.status_code == 200, name
        again = httpx.get(pages.url + name, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    with httpx.stream("GET", f"{pages.url}/static/base.css") as answer:
        zipped = b"".join(answer.iter_raw())
    assert b"--ink" in gzip.decompress(zipped)
    assert httpx.get(f"{pages.url}/static/shell.html").status_code == 404
    assert httpx.get(f"{pages.url}/static/..%2Fapp.py").status_code == 404


def test_the_pages_show_no_password(
    serve: Serve, client: redis.Redis, redis_server: EmbeddedRedis
) -> None:
    url = redis_server.url.replace("://", "://:geheim@")
    pages = serve(url)  # a Redis that asks for none refuses it
    for path in ("/api/run", f"/api/hours/{START}"):
        text = httpx.get(pages.url + path).text
        assert "geheim" not in text
        assert "password" in text or "holds no run" in text
    assert "geheim" not in str(stream(pages, "", "absent"))


# The stream of a page.


def stream(pages: ServedPages, query: str, until: str) -> list[tuple[str, Any]]:
    """Return the events of a page up to the first one of a kind."""
    found: list[tuple[str, Any]] = []
    with httpx.stream("GET", f"{pages.url}/events{query}", timeout=20.0) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                found.append((kind, json.loads(line[6:])))
                if kind == until:
                    return found
    raise AssertionError("the stream has ended")


def test_a_new_page_is_told_how_things_stand(pages: ServedPages) -> None:
    kinds = [kind for kind, _ in stream(pages, "", "hour")]
    assert kinds == ["run", "clock", "gate", *["alert"] * 4, "hour"]


def test_the_live_hour_is_that_which_can_be_asked_for(pages: ServedPages) -> None:
    live = stream(pages, "", "hour")[-1][1]
    assert live.pop("skipped") == 0
    assert live == get(pages, f"/api/hours/{LAST}")


def test_a_page_takes_up_where_it_was(pages: ServedPages) -> None:
    found = stream(pages, f"?run=id&after={LAST - 2 * HOUR}-0", "hour")
    assert found[-1][1]["skipped"] == 1
    assert {data["pickup_ts"] for kind, data in found if kind == "alert"} == {LAST}


def test_what_cannot_be_read_is_an_absence(
    serve: Serve, client: redis.Redis, redis_server: EmbeddedRedis
) -> None:
    def nowhere() -> Place:
        raise RedisFailure("no run found: start one")

    assert stream(serve(nowhere), "", "absent") == [
        ("absent", {"reason": "no run found: start one"})
    ]
    client.hset(keys.RUN, mapping={"run_id": "x"})  # of another version
    ((_, absent),) = stream(serve(redis_server.url), "", "absent")
    assert "is not a run of rushhour" in absent["reason"]
