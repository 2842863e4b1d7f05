"""The pages in a real browser: live, in the past, over restarts, and with hostile content."""

import re
from typing import Any, cast

import pytest
import redis
from playwright.sync_api import Dialog, Page, expect

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.simulator.stack.ports import free_ports
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.simulator.web.guard import Guard
from rushhour.simulator.web.pages import PAGES
from rushhour.storage.clock import save_status
from tests.fixtures.closed_run import HOUR, HOURS, START, ClosingRun, start_run
from tests.fixtures.web import Open, Serve, ServedPages

expect.set_options(timeout=60_000)

PATHS = [page.path for page in PAGES]
# How much of the page moves by itself from now on: see "Cumulative Layout Shift".
WATCH_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shifted += entry.value;
}).observe({ type: "layout-shift" });
"""
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def run(client: redis.Redis) -> ClosingRun:
    """A run with four closed hours, whose clock runs."""
    run = ClosingRun(client)
    for _ in range(HOURS):
        run.close_hour()
    set_clock(client, HOURS)
    return run


@pytest.fixture
def pages(serve: Serve, run: ClosingRun, redis_server: EmbeddedRedis) -> ServedPages:
    return serve(redis_server.url)


def set_clock(client: redis.Redis, hours: int, state: str = "running") -> None:
    far = 2**50  # a producer that is never silent
    status = ClockStatus(START + hours * HOUR, "6h/s", state, 12, heartbeat_ts=far)  # type: ignore[arg-type]
    save_status(client, status)


def hours_shown(page: Page, hours: int) -> None:
    expect(page.locator("#clock-hours")).to_have_text(f"{hours} of 9 hours")


@pytest.mark.parametrize("path", PATHS)
def test_a_page_loads_and_follows_the_run(
    visit: Open, pages: ServedPages, run: ClosingRun, client: redis.Redis, path: str
) -> None:
    opened = visit(pages.url, path)
    hours_shown(opened.page, HOURS)
    expect(opened.page.locator("#clock-now")).to_have_text("Thu 2024-10-03 03:00")
    expect(opened.page.locator("#clock-state")).to_have_text("running")
    expect(opened.page.locator("h1")).to_be_visible()
    opened.page.evaluate(WATCH_SHIFTS)
    run.close_hour()
    set_clock(client, HOURS + 1, "paused")
    hours_shown(opened.page, HOURS + 1)
    expect(opened.page.locator("#clock-state")).to_have_text("paused")
    assert opened.page.evaluate("window.shifted") < 0.01
    opened.page.reload()
    hours_shown(opened.page, HOURS + 1)
    opened.check()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_a_telephone(visit: Open, pages: ServedPages, path: str, scheme: str) -> None:
    size = {"width": 390, "height": 844}
    opened = visit(pages.url, path, viewport=size, color_scheme=scheme, reduced_motion="reduce")
    hours_shown(opened.page, HOURS)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(opened.page.locator("#remote-pause")).to_be_hidden()
    opened.page.get_by_role("button", name="Controls").click()
    expect(opened.page.locator("#remote-pause")).to_be_visible()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 384) == (scheme == "light")


@pytest.mark.parametrize("path", PATHS)
def test_without_a_run_a_page_explains_and_comes_to_life_with_one(
    visit: Open, serve: Serve, client: redis.Redis, redis_server: EmbeddedRedis, path: str
) -> None:
    opened = visit(serve(redis_server.url).url, path)
    expect(opened.page.locator("#notice")).to_contain_text("start one with `rushhour up`")
    expect(opened.page.locator("#remote-pause")).to_be_disabled()
    ClosingRun(client).close_hour()
    set_clock(client, 1)
    hours_shown(opened.page, 1)
    expect(opened.page.locator("#notice")).to_be_hidden()
    expect(opened.page.locator("#remote-pause")).to_be_enabled()


def test_a_page_comes_back_after_a_restart_of_its_server(
    visit: Open, pages: ServedPages, run: ClosingRun, client: redis.Redis
) -> None:
    opened = visit(pages.url)
    hours_shown(opened.page, HOURS)
    pages.stop()
    expect(opened.page.locator("#notice")).to_contain_text("does not answer")
    run.close_hour()
    pages.start()
    hours_shown(opened.page, HOURS + 1)
    expect(opened.page.locator("#notice")).to_be_hidden()


def test_a_page_comes_back_after_a_restart_of_redis(
    visit: Open, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory, port = tmp_path_factory.mktemp("redis"), free_ports(1)[0]
    server = EmbeddedRedis(directory, port)
    try:
        client = redis.Redis.from_url(server.url, decode_responses=True)
        ClosingRun(client).close_hour()
        set_clock(client, 1)
        opened = visit(serve(server.url).url)
        hours_shown(opened.page, 1)
        server.stop(save=True)
        expect(opened.page.locator("#clock-state")).to_have_text("no run")
        server = EmbeddedRedis(directory, port, saved=True)
        expect(opened.page.locator("#clock-state")).to_have_text("running")
        hours_shown(opened.page, 1)
    finally:
        server.stop(save=False)


def test_another_run_takes_the_place_of_the_one_before(
    visit: Open, pages: ServedPages, client: redis.Redis
) -> None:
    opened = visit(pages.url)
    hours_shown(opened.page, HOURS)
    before = opened.page.evaluate("document.body.dataset.run")
    client.flushall()
    start_run(client)
    client.hset(keys.RUN, mapping={"run_id": "another", "source": "another.parquet"})
    set_clock(client, 0, "starting")
    hours_shown(opened.page, 0)
    expect(opened.page.locator("#run-label")).to_contain_text("another.parquet")
    assert opened.page.evaluate("document.body.dataset.run") != before


def test_text_of_the_run_is_never_markup(
    visit: Open, pages: ServedPages, client: redis.Redis
) -> None:
    client.hset(keys.RUN, "source", MARKUP)
    client.hset(keys.SUBMISSIONS, "models", MARKUP)
    client.hset(keys.CLOCK, "speed", MARKUP)
    client.xadd(
        keys.ALERTS,
        {"zone": MARKUP, "hour": MARKUP, "direction": MARKUP, "relative_change": MARKUP},
        f"{START + HOURS * HOUR}-1",
    )
    for path in PATHS:
        opened = visit(pages.url, path)
        dialogs: list[Dialog] = []

        def note(dialog: Dialog, seen: list[Dialog] = dialogs) -> None:
            seen.append(dialog)

        opened.page.on("dialog", note)
        expect(opened.page.locator("#run-label")).to_contain_text(MARKUP)
        opened.page.wait_for_timeout(500)
        assert dialogs == []
        assert opened.page.locator("img[src=x]").count() == 0


# Controls.


def commands(client: redis.Redis) -> list[dict[str, str]]:
    return [fields for _, fields in cast(Any, client.xrange(keys.COMMANDS))]


def test_each_control_sends_its_command(
    visit: Open, pages: ServedPages, client: redis.Redis
) -> None:
    page = visit(pages.url).page
    hours_shown(page, HOURS)

    def sent(command: str, value: str = "") -> None:
        for _ in range(200):
            if commands(client)[-1:] == [{"command": command, "value": value}]:
                return
            page.wait_for_timeout(50)
        pytest.fail(f"{command} {value} was not sent: {commands(client)}")

    page.get_by_role("button", name="Pause").click()
    sent("pause")
    set_clock(client, HOURS, "paused")
    page.get_by_role("button", name="Resume").click()
    sent("resume")
    page.get_by_label("Length of a step").select_option("6 hours")
    page.get_by_role("button", name="Step").click()
    sent("step", "6h")
    page.get_by_label("Speed").focus()
    page.keyboard.press("End")
    sent("speed", "max")
    page.keyboard.press("Home")
    sent("speed", "1m/s")
    page.get_by_label("Hour, New York time").fill("2024-10-03 07:00")
    page.get_by_role("button", name="Run until").click()
    sent("until", "2024-10-03 07:00")
    page.get_by_role("button", name="Go to").click()
    sent("seek", "2024-10-03 07:00")


def test_a_refusal_shows_its_reason(visit: Open, pages: ServedPages, client: redis.Redis) -> None:
    page = visit(pages.url).page
    hours_shown(page, HOURS)
    page.get_by_label("Hour, New York time").fill("half past six")
    page.get_by_role("button", name="Run until").click()
    expect(page.locator("#remote-answer")).to_contain_text("not a whole hour")
    assert commands(client) == []


def test_a_seek_back_asks_first(visit: Open, pages: ServedPages, client: redis.Redis) -> None:
    page = visit(pages.url).page
    hours_shown(page, HOURS)
    page.get_by_label("Hour, New York time").fill("2024-10-02 23:00")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Go to").click()
    assert commands(client) == []


def test_a_run_that_has_ended_takes_no_command(
    visit: Open, pages: ServedPages, client: redis.Redis
) -> None:
    page = visit(pages.url).page
    expect(page.locator("#remote-pause")).to_be_enabled()
    set_clock(client, HOURS, "finished")
    for control in page.locator(".remote-row :is(button, select, [type=range])").all():
        expect(control).to_be_disabled()


def test_what_the_gate_waits_for_is_shown(
    visit: Open, pages: ServedPages, client: redis.Redis
) -> None:
    page = visit(pages.url).page
    hours_shown(page, HOURS)
    expect(page.locator("#gate")).to_be_hidden()
    client.hset(
        keys.GATE,
        mapping={
            "gates": "features,inference", "awaited": "inference", "hour": "2024-10-03T02",
            "since_ts": 1, "ack": "0-0", "refused": 0, "refusal": "",
        },
    )  # fmt: skip
    expect(page.locator("#gate")).to_contain_text("for inference, Thu 2024-10-03, 02:00 to 03:00")


def test_read_only_pages_say_so(
    visit: Open, serve: Serve, run: ClosingRun, redis_server: EmbeddedRedis
) -> None:
    page = visit(serve(redis_server.url, Guard("0.0.0.0")).url).page
    hours_shown(page, HOURS)
    expect(page.locator("#remote-answer")).to_contain_text("read-only")
    expect(page.locator("#remote-pause")).to_be_disabled()


def test_a_token_is_entered_once(
    visit: Open, serve: Serve, run: ClosingRun, redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    pages = serve(redis_server.url, Guard("0.0.0.0", token="geheim"))
    page = visit(pages.url).page
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#remote-answer")).to_contain_text("needs the token")
    page.get_by_label("Token").fill("geheim")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#remote-answer")).to_be_hidden()
    page.goto(pages.url + "/monitoring")
    expect(page.get_by_label("Token")).to_have_value("geheim")


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(
    visit: Open, pages: ServedPages
) -> None:
    page = visit(pages.url).page
    hours_shown(page, HOURS)
    where = (
        "(() => { const it = document.activeElement;"
        " return [it.id || it.textContent.trim(), getComputedStyle(it).outlineStyle] })()"
    )
    reached: list[tuple[str, str]] = []
    while not reached or reached[-1][0] != "remote-seek":
        assert len(reached) < 30
        page.keyboard.press("Tab")
        reached.append(page.evaluate(where))
    names = [name for name, _ in reached]
    assert names[:4] == ["Skip to the content", "Demand", "Monitoring", "Topics"]
    wanted = ["remote-pause", "remote-step", "remote-step-length", "remote-speed", "remote-hour"]
    assert [name for name in names if name in wanted] == wanted
    assert {outline for _, outline in reached} == {"solid"}
