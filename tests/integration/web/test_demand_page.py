"""The demand page in a real browser, on a run whose figures are known."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import redis
from playwright.sync_api import Page, expect

from rushhour.core.zones import ZONE_COUNT
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from tests.fixtures.closed_run import (
    HOURS,
    ClosingRun,
    close_hours,
    lower_of,
    mean_of,
    rides_of,
    served_of,
)
from tests.fixtures.web import Open, Serve, Visit

expect.set_options(timeout=60_000)

JFK, MIDTOWN = 132, 161
NEWEST = HOURS - 1
RIDES = [1, 2, 5, 10, 20, 50, 100, 200]
ERRORS = [-50, -20, -5, -1, 1, 5, 20, 50]
MINUS = "\N{MINUS SIGN}"
PHONE = {"width": 390, "height": 844}

OpenDemand = Callable[..., Visit]


@pytest.fixture
def run(client: redis.Redis) -> ClosingRun:
    """A run with four closed hours, which can close more."""
    return close_hours(client, HOURS)


@pytest.fixture
def demand(run: ClosingRun, redis_server: EmbeddedRedis, serve: Serve, visit: Open) -> OpenDemand:
    """A function that opens the page and waits for its first figures."""
    served = serve(redis_server.url)

    def go(**options: object) -> Visit:
        opened = visit(served.url, "/", **options)
        expect(opened.page.locator("#hour-label")).to_have_text(span(NEWEST))
        return opened

    return go


def span(index: int) -> str:
    """The hour of the run with this index, as the page names it."""
    day, hour = ("Wed 2024-10-02", 23) if index == 0 else ("Thu 2024-10-03", index - 1)
    return f"{day}, {hour:02}:00 to {hour + 1:02}:00"


def steps(page: Page, sheet: str = "city") -> list[int]:
    """The step of the scale of each zone, by id."""
    found: list[int] = page.evaluate(
        """sheet => [...document.querySelectorAll(`#${sheet} [data-zone]`)]
            .sort((a, b) => a.dataset.zone - b.dataset.zone)
            .map(path => Number(path.dataset.step))""",
        sheet,
    )
    return found


def expected(values: Any, bounds: Sequence[float]) -> list[int]:
    return np.searchsorted(bounds, values, side="right").tolist()  # type: ignore[no-any-return]


def choose(page: Page, measure: str) -> None:
    page.locator("#measure label", has_text=measure).click()


def set_hour(page: Page, index: int) -> None:
    page.locator("#hour-slider").fill(str(index))


def test_the_map_shows_what_is_predicted_for_the_next_hour(demand: OpenDemand) -> None:
    opened = demand()
    page = opened.page
    expect(page.locator("#map-title")).to_have_text("Rides predicted for the next hour")
    expect(page.locator("#map-hour")).to_have_text(span(HOURS))
    assert steps(page) == expected(mean_of(HOURS), RIDES)
    opened.check()


@pytest.mark.parametrize(
    ("measure", "values", "bounds"),
    [
        ("Last hour", rides_of(NEWEST), RIDES),
        ("Error", np.round(mean_of(NEWEST) - rides_of(NEWEST), 4), ERRORS),
        (
            "MAE 24 h",
            np.mean([abs(served_of(i) - rides_of(i)) for i in range(HOURS)], axis=0).round(4),
            [0.2, 0.5, 1, 2, 5, 10, 20, 50],
        ),
    ],
)
def test_the_switch_chooses_what_the_map_shows(
    demand: OpenDemand, measure: str, values: Any, bounds: Sequence[float]
) -> None:
    opened = demand()
    choose(opened.page, measure)
    expect(opened.page.locator("#map-hour")).to_have_text(span(NEWEST))
    assert steps(opened.page) == expected(values, bounds)
    shown = opened.page.locator("#legend .steps li").all_inner_texts()
    assert [text.replace(MINUS, "-") for text in shown[1:]] == [f"{bound:g}" for bound in bounds]
    opened.check()


def test_manhattan_is_drawn_again_in_the_same_colours(demand: OpenDemand) -> None:
    page = demand().page
    city = {zone + 1: step for zone, step in enumerate(steps(page))}
    inset = page.locator("#manhattan [data-zone]").evaluate_all(
        "paths => paths.map(path => [Number(path.dataset.zone), Number(path.dataset.step)])"
    )
    assert len(inset) == 66
    assert all(city[zone] == step for zone, step in inset)


def figures(zone: int) -> list[str]:
    """What the page tells of a zone in the newest hour."""
    at = zone - 1
    rides, mean = rides_of(NEWEST)[at], mean_of(NEWEST)[at]
    upper, next_upper = served_of(NEWEST)[at] + 2, served_of(HOURS)[at] + 2
    return [
        f"{rides}",
        f"{mean:.1f}",
        f"interval {lower_of(NEWEST)[at]:.0f} to {upper:.0f}",
        f"{mean - rides:+.1f}".replace("-", MINUS),
        f"{mean_of(HOURS)[at]:.1f}",
        f"interval {lower_of(HOURS)[at]:.0f} to {next_upper:.0f}",
    ]


def test_a_zone_that_is_hovered_tells_its_figures(demand: OpenDemand) -> None:
    opened = demand()
    tip = opened.page.locator("#zone-tip")
    expect(tip).to_be_hidden()
    opened.page.hover(f"#city [data-zone='{JFK}']")
    expect(tip).to_contain_text("JFK Airport")
    expect(tip).to_contain_text("Queens · zone 132")
    cells = [text for text in tip.locator("dd").all_inner_texts() if text]
    assert cells[:6] == figures(JFK)
    opened.page.mouse.move(1, 1)
    expect(tip).to_be_hidden()
    opened.check()


def test_the_keyboard_walks_the_map_and_opens_a_zone(demand: OpenDemand) -> None:
    page = demand().page
    page.focus(f"#city [data-zone='{JFK}']")
    page.keyboard.press("ArrowLeft")
    tip = page.locator("#zone-tip")
    expect(tip).to_be_visible()
    reached = page.locator("#city [data-zone]:focus")
    assert reached.get_attribute("data-zone") != str(JFK)
    name = tip.locator("strong").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#zone-panel h2")).to_have_text(name)
    page.keyboard.press("Escape")
    expect(page.locator("#zone-panel")).to_be_hidden()
    expect(reached).to_be_focused()


def test_one_zone_of_each_map_is_reached_by_tab(demand: OpenDemand) -> None:
    page = demand().page
    assert page.locator("#city [tabindex='0']").count() == 1
    page.focus(f"#city [data-zone='{JFK}']")
    assert page.locator("#city [tabindex='0']").get_attribute("data-zone") == str(JFK)


def test_a_click_opens_the_week_of_a_zone(demand: OpenDemand) -> None:
    opened = demand()
    page, panel = opened.page, opened.page.locator("#zone-panel")
    page.click(f"#city [data-zone='{JFK}']")
    expect(panel.locator("h2")).to_have_text("JFK Airport")
    expect(panel.locator(".hour")).to_have_text(span(NEWEST))
    expect(panel.locator(".alerts li")).to_have_count(2)
    expect(panel.locator(".alerts li").first).to_have_text(
        f"{span(NEWEST)} rides of six hours 50 % below their predictions"
    )
    expect(panel.locator(".rides-chart :is(svg, canvas)").first).to_be_visible()
    expect(panel.locator(".error-chart :is(svg, canvas)").first).to_be_visible()
    page.click(f"#manhattan [data-zone='{MIDTOWN}']")
    expect(panel.locator("h2")).to_have_text("Midtown Center")
    expect(panel.locator(".no-alerts")).to_be_visible()
    panel.locator(".close").click()
    expect(panel).to_be_hidden()
    opened.check()


def test_the_table_has_the_ten_busiest_zones(demand: OpenDemand) -> None:
    page = demand().page
    rides = rides_of(NEWEST)
    order = np.argsort(-rides, kind="stable")[:10]
    rows = page.locator("#busiest-rows tr")
    assert rows.locator("td:nth-child(2)").all_inner_texts() == [str(rides[at]) for at in order]
    first = rows.first.locator("button")
    name = first.inner_text()
    first.click()
    expect(page.locator("#zone-panel h2")).to_have_text(name)
    expect(page.locator("#zone-panel .place")).to_contain_text(f"zone {order[0] + 1}")


def test_a_closed_hour_changes_only_what_is_new(demand: OpenDemand, run: ClosingRun) -> None:
    opened = demand()
    page = opened.page
    choose(page, "Last hour")
    before = steps(page)
    page.evaluate(
        """() => {
            window.changes = 0;
            new MutationObserver(seen => { window.changes += seen.length; }).observe(
                document.querySelector("#city"),
                { subtree: true, attributes: true, childList: true, characterData: true });
        }"""
    )
    run.close_hour()
    expect(page.locator("#map-hour")).to_have_text(span(HOURS))
    after = steps(page)
    assert after == expected(rides_of(HOURS), RIDES)
    assert page.evaluate("window.changes") == sum(np.array(before) != np.array(after))
    opened.check()


def test_the_slider_goes_back_and_stays_there_until_live(
    demand: OpenDemand, run: ClosingRun
) -> None:
    opened = demand()
    page = opened.page
    choose(page, "Last hour")
    set_hour(page, 1)
    expect(page.locator("#map-hour")).to_have_text(span(1))
    assert steps(page) == expected(rides_of(1), RIDES)
    expect(page.locator("#live")).to_have_attribute("aria-pressed", "false")
    page.click(f"#city [data-zone='{JFK}']")
    expect(page.locator("#zone-panel .hour")).to_have_text(span(1))
    expect(page.locator("#zone-panel .alerts li")).to_have_count(1)
    run.close_hour()
    page.wait_for_function("document.querySelector('#hour-slider').ariaValueText !== null")
    page.wait_for_timeout(500)
    expect(page.locator("#map-hour")).to_have_text(span(1))
    page.click("#live")
    expect(page.locator("#map-hour")).to_have_text(span(HOURS))
    assert steps(page) == expected(rides_of(HOURS), RIDES)
    opened.check()


def test_the_slider_does_not_pass_the_last_closed_hour(demand: OpenDemand) -> None:
    page = demand().page
    set_hour(page, HOURS + 2)
    expect(page.locator("#hour-slider")).to_have_value(str(NEWEST))
    expect(page.locator("#hour-label")).to_have_text(span(NEWEST))


def test_zones_are_found_by_name_borough_and_number(demand: OpenDemand) -> None:
    page = demand().page
    search, options = page.locator("#zone-search"), page.locator("#zone-options [role=option]")
    search.fill("jfk")
    expect(options).to_have_count(1)
    search.fill("161")
    expect(options.first).to_contain_text("Midtown Center")
    search.fill("governors")
    expect(options.first).to_contain_text("Governor's Island")
    search.fill("atlantis")
    expect(page.locator("#zone-options")).to_have_text("No zone of that name")
    search.fill("midtown")
    search.press("ArrowDown")
    second = options.nth(1)
    expect(second).to_have_attribute("aria-selected", "true")
    name = second.evaluate("option => option.firstChild.textContent")
    search.press("Enter")
    expect(page.locator("#zone-panel h2")).to_have_text(name)


def test_what_is_searched_for_is_text(demand: OpenDemand) -> None:
    opened = demand()
    opened.page.locator("#zone-search").fill("<img src=x onerror=alert(1)>")
    expect(opened.page.locator("#zone-options")).to_have_text("No zone of that name")
    opened.check()


def box_of(page: Page) -> list[float]:
    return [float(each) for each in str(page.get_attribute("#city", "viewBox")).split()]


def test_the_map_zooms_by_buttons_keys_and_wheel(demand: OpenDemand) -> None:
    page = demand().page
    whole = box_of(page)
    page.click("#zoom [data-zoom=in]")
    assert box_of(page)[2] == pytest.approx(whole[2] / 1.6)
    page.focus(f"#city [data-zone='{JFK}']")
    page.keyboard.press("+")
    jfk = page.locator(f"#city [data-zone='{JFK}']").bounding_box()
    city = page.locator("#city").bounding_box()
    assert jfk is not None
    assert city is not None
    assert city["x"] < jfk["x"] < city["x"] + city["width"]
    page.keyboard.press("0")
    assert box_of(page) == whole
    page.hover("#city")
    page.mouse.wheel(0, -200)
    assert box_of(page) == whole
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    page.wait_for_function("document.querySelector('#city').classList.contains('zoomed')")
    assert box_of(page)[2] < whole[2]


def test_a_drag_of_the_map_is_no_click(demand: OpenDemand) -> None:
    page = demand().page
    jfk = page.locator(f"#city [data-zone='{JFK}']")
    jfk.focus()
    for _ in range(3):
        page.keyboard.press("+")
    before, box = box_of(page), jfk.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    at = "([x, y]) => document.elementFromPoint(x, y).dataset.zone"
    assert page.evaluate(at, [x, y]) == str(JFK)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y - 30, steps=5)
    page.mouse.up()
    after = box_of(page)
    assert after[0] > before[0]
    assert after[1] > before[1]
    expect(page.locator("#zone-panel")).to_be_hidden()
    page.mouse.click(x - 60, y - 30)
    expect(page.locator("#zone-panel h2")).to_have_text("JFK Airport")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(demand: OpenDemand, scheme: str) -> None:
    opened = demand(viewport=PHONE, color_scheme=scheme, has_touch=True)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.locator("#zone-search").fill("jfk")
    page.locator("#zone-options [role=option]").first.tap()
    expect(page.locator("#zone-panel h2")).to_have_text("JFK Airport")
    panel = page.locator("#zone-panel").bounding_box()
    assert panel is not None
    assert (panel["x"], panel["width"]) == (0, PHONE["width"])
    opened.check()


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1440, "height": 900}])
def test_nothing_moves_when_figures_change(
    demand: OpenDemand, run: ClosingRun, viewport: dict[str, int]
) -> None:
    page = demand(viewport=viewport).page
    page.evaluate(
        """() => {
            window.shifts = 0;
            new PerformanceObserver(seen => {
                for (const entry of seen.getEntries()) window.shifts += entry.value;
            }).observe({ type: "layout-shift" });
        }"""
    )
    heights = []
    for measure in ("Last hour", "Error", "MAE 24 h", "Next hour"):
        choose(page, measure)
        heights.append(page.evaluate("document.documentElement.scrollHeight"))
    run.close_hour()
    expect(page.locator("#map-hour")).to_have_text(span(HOURS + 1))
    heights.append(page.evaluate("document.documentElement.scrollHeight"))
    page.wait_for_timeout(300)
    assert len(set(heights)) == 1
    assert page.evaluate("window.shifts") < 0.001


def test_zones_json_is_sent_once(demand: OpenDemand) -> None:
    opened = demand()
    request = opened.page.request
    first = request.get(f"{opened.origin}/zones.json")
    assert len(first.json()["zones"]) == ZONE_COUNT
    again = request.get(
        f"{opened.origin}/zones.json", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (again.status, again.body()) == (304, b"")
