"""The monitoring page and the report of a run in a real browser."""

import re
from pathlib import Path
from typing import Any

import pytest
import redis
from playwright.sync_api import Page, expect

from rushhour.core import keys
from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.report import report
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.storage import submissions
from tests.fixtures.closed_run import HOURS, ClosingRun, close_hours
from tests.fixtures.web import Open, Serve, ServedPages

expect.set_options(timeout=60_000)

PATH = "/monitoring"
MARKUP = "<img src=x onerror=alert(1)>"
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def run(client: redis.Redis) -> ClosingRun:
    """A run with four closed hours."""
    return close_hours(client, HOURS)


@pytest.fixture
def pages(serve: Serve, run: ClosingRun, redis_server: EmbeddedRedis) -> ServedPages:
    return serve(redis_server.url)


def is_drawn(page: Page, chart: str) -> None:
    """Wait until a chart has lines."""
    page.wait_for_function(
        """(chart) => [...document.querySelectorAll(`${chart} canvas`)].some((canvas) =>
            canvas.width && canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
                .data.some((value) => value))""",
        arg=chart,
    )


def boxes(page: Page) -> list[Any]:
    """Return where the panels are."""
    found: list[Any] = page.evaluate(
        """[...document.querySelectorAll(".facts > div, .panel, .chart-plot")].map((each) => {
            const {x, y, width, height} = each.getBoundingClientRect();
            return [x, y, width, height].map(Math.round);
        })"""
    )
    return found


def test_figures_charts_and_tables_are_those_of_the_run(
    visit: Open, pages: ServedPages, client: redis.Redis
) -> None:
    opened = visit(pages.url, PATH)
    page = opened.page
    expect(page.locator("#span")).to_contain_text("4 hours, Wed 2024-10-02 23:00")
    fields = client.hgetall(keys.model("mixture"))
    expect(page.locator("#facts dd").first).to_contain_text(f"{float(fields['mae_24h']):.3f}")
    rides = client.hget(keys.CITY, "rides")
    expect(page.locator("#city .chart-legend b").first).to_have_text(f"{int(str(rides)):,}")
    for chart in ("#city", "#mae"):
        is_drawn(page, chart)
    expect(page.locator("#models tbody tr")).to_have_count(3)
    expect(page.locator("#worst tbody tr")).to_have_count(10)
    expect(page.locator("#alerts tbody tr")).to_have_count(4)
    expect(page.locator("#by-hour li")).to_have_count(24)
    expect(page.locator("#gates")).to_contain_text("none")
    opened.check()


def test_an_hour_that_is_closed_changes_figures_and_moves_nothing(
    visit: Open, pages: ServedPages, run: ClosingRun, client: redis.Redis
) -> None:
    opened = visit(pages.url, PATH)
    page = opened.page
    expect(page.locator("#span")).to_contain_text("4 hours")
    is_drawn(page, "#mae")
    before = boxes(page)
    for more in (1, 2):
        run.close_hour()
        expect(page.locator("#span")).to_contain_text(f"{HOURS + more} hours")
    rides = client.hget(keys.CITY, "rides")
    expect(page.locator("#city .chart-legend b").first).to_have_text(f"{int(str(rides)):,}")
    assert boxes(page) == before
    opened.check()


def test_windows_and_the_cursor_choose_what_is_shown(visit: Open, pages: ServedPages) -> None:
    page = visit(pages.url, PATH).page
    expect(page.locator("#span")).to_contain_text("4 hours")
    with page.expect_response(re.compile(r"window=24h")):
        page.get_by_role("button", name="24 h").click()
    pressed = page.locator("[aria-pressed=true][data-window]")
    expect(pressed).to_have_text("24 h")
    is_drawn(page, "#city")
    plot = page.locator("#city .chart-plot")
    plot.focus()
    page.keyboard.press("Home")
    expect(page.locator("#city .chart-when")).to_have_text("Wed 2024-10-02 23:00")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#city .chart-when")).to_have_text("Thu 2024-10-03 00:00")


def test_text_of_the_data_is_never_markup(
    visit: Open, pages: ServedPages, client: redis.Redis
) -> None:
    client.hset(keys.SUBMISSIONS, submissions.MODELS, MARKUP)
    client.hset(keys.QUALITY, f"rejected:{MARKUP}", 3)
    opened = visit(pages.url, PATH)
    expect(opened.page.locator("#models")).to_contain_text(MARKUP)
    expect(opened.page.locator("#mae .chart-legend")).to_contain_text(MARKUP)
    expect(opened.page.locator("#quality")).to_contain_text(f"3 {MARKUP.replace('_', ' ')}")
    assert opened.page.locator("main img").count() == 0
    opened.check()


def test_a_page_with_charts_is_light(visit: Open, pages: ServedPages) -> None:
    opened = visit(pages.url, PATH)
    is_drawn(opened.page, "#mae")
    size = opened.page.evaluate(
        """performance.getEntries().reduce((sum, each) => sum + (each.encodedBodySize ?? 0), 0)"""
    )
    assert 40_000 < size < 400_000


@pytest.fixture
def report_file(
    run: ClosingRun, redis_server: EmbeddedRedis, client: redis.Redis, tmp_path: Path
) -> Path:
    """The report of the run, whose trip file has a hostile name."""
    client.hset(keys.RUN, "source", "</script><script>alert(1)</script>")
    file = tmp_path / "report.html"
    report(Settings.load(redis=redis_server.url), Output(as_json=True), file)
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, {"width": 1440, "height": 900}], ids=["390", "1440"])
def test_the_report_opens_from_a_file_and_loads_nothing(
    visit: Open, report_file: Path, viewport: dict[str, int], scheme: str
) -> None:
    opened = visit("file://", str(report_file), viewport=viewport, color_scheme=scheme)
    page = opened.page
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.reload()
    expect(page.locator("#scores tbody tr")).to_have_count(3)
    expect(page.locator("#how")).to_contain_text("</script>")
    for chart in ("#city", "#mae"):
        is_drawn(page, chart)
    expect(page.locator("#span")).to_contain_text("4 hours")
    page.get_by_role("button", name="24 h").click()
    expect(page.locator("[aria-pressed=true][data-window]")).to_have_text("24 h")
    page.get_by_role("button", name="mean error").click()
    expect(page.locator("#map-legend")).to_contain_text("blue: more rides")
    page.locator('#map-city [data-zone="132"]').focus()
    page.keyboard.press("Enter")
    expect(page.locator("#map-zone")).to_contain_text("JFK Airport, Queens (132)")
    assert [url for url in requests if not url.startswith(("data:", "file:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    opened.check()
