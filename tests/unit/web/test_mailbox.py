"""What waits for a page: bounded, the newest wins, and nothing of another run."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rushhour.core.hours import HOUR_MS
from rushhour.simulator.web.live.mailbox import MAX_ALERTS, Alert, ClosedHour, Frame, Mailbox

START = 1_727_740_800_000

Event = tuple[str, str, Any]


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with ThreadPoolExecutor(1) as pool:  # the browser of other tests keeps a loop in this thread
        pool.submit(asyncio.run, work()).result()


def hour(index: int) -> ClosedHour:
    ts = START + index * HOUR_MS
    return ClosedHour(ts, json.dumps({"pickup_ts": ts}).encode())


def alert(index: int, zone: int) -> Alert:
    return Alert((START + index * HOUR_MS, zone), json.dumps([index, zone]).encode())


def begin(run_id: str, index: int, *alerts: Alert) -> Frame:
    """The frame of a page that opens: all that it needs."""
    return Frame(run_id, run=b"{}", clock=b"{}", gate=b"{}", hour=hour(index), alerts=alerts)


async def taken(mailbox: Mailbox) -> list[Event]:
    """Take what waits: kind, id and data of each event."""
    await asyncio.sleep(0)
    text = (await asyncio.wait_for(mailbox.take(), 5.0)).decode()
    assert text == "" or text.endswith("\n\n")
    events = []
    for block in filter(None, text.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return events


def test_a_slow_page_gets_the_newest_hour_and_how_many_it_missed() -> None:
    async def work() -> None:
        mailbox = Mailbox()
        mailbox.put(begin("a", 0))
        await taken(mailbox)
        for index in range(1, 8):
            mailbox.put(Frame("a", clock=b"%d" % index, hour=hour(index)))
        assert await taken(mailbox) == [
            ("clock", "", 7),
            ("hour", f"{START + 7 * HOUR_MS}-0", {"skipped": 6, "pickup_ts": START + 7 * HOUR_MS}),
        ]

    run(work)


def test_alerts_that_wait_are_bounded_and_the_latest_stay() -> None:
    async def work() -> None:
        mailbox = Mailbox()
        for index in range(MAX_ALERTS + 50):
            mailbox.put(Frame("a", alerts=(alert(index, 1),)))
        found = await taken(mailbox)
        assert [data for _, _, data in found] == [[i, 1] for i in range(50, MAX_ALERTS + 50)]

    run(work)


def test_an_alert_is_sent_once() -> None:
    async def work() -> None:
        mailbox = Mailbox()
        mailbox.put(begin("a", 1, alert(1, 3)))
        mailbox.put(begin("a", 1, alert(1, 3), alert(1, 9)))  # Redis was away and is back
        found = [data for kind, _, data in await taken(mailbox) if kind == "alert"]
        assert found == [[1, 3], [1, 9]]

    run(work)


def test_a_page_that_comes_back_takes_up_where_it_was() -> None:
    async def work() -> None:
        mailbox = Mailbox("a", START + 4 * HOUR_MS)
        mailbox.put(begin("a", 7, alert(4, 200), alert(6, 1)))
        found = await taken(mailbox)
        assert [data for kind, _, data in found if kind == "alert"] == [[6, 1]]
        assert [data["skipped"] for kind, _, data in found if kind == "hour"] == [2]

    run(work)


def test_an_hour_that_the_page_has_is_not_sent_again() -> None:
    async def work() -> None:
        mailbox = Mailbox("a", START + 7 * HOUR_MS)
        mailbox.put(begin("a", 7))
        assert "hour" not in [kind for kind, _, _ in await taken(mailbox)]

    run(work)


def test_what_was_seen_of_another_run_does_not_count() -> None:
    async def work() -> None:
        for mailbox in (Mailbox("a", START + 9 * HOUR_MS), Mailbox(None, START + 9 * HOUR_MS)):
            mailbox.put(begin("b", 2, alert(1, 1)))
            found = await taken(mailbox)
            assert [kind for kind, _, _ in found] == ["run", "clock", "gate", "alert", "hour"]
            assert found[-1][2]["skipped"] == 0

    run(work)


def test_an_absence_replaces_what_waits_and_ends_with_the_run() -> None:
    async def work() -> None:
        mailbox = Mailbox()
        mailbox.put(Frame("a", clock=b"1"))
        mailbox.put(Frame(absent=b'"gone"'))
        assert await taken(mailbox) == [("absent", "", "gone")]
        mailbox.put(Frame(absent=b'"gone"'))
        mailbox.put(begin("a", 0))
        assert "absent" not in [kind for kind, _, _ in await taken(mailbox)]

    run(work)
