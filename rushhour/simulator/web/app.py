"""The application: its routes, and what each of them answers."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import redis
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from rushhour.core.entry_ids import is_entry_id
from rushhour.core.errors import RushhourError
from rushhour.core.hours import HOUR_MS
from rushhour.core.settings import Settings
from rushhour.core.topics import TOPICS
from rushhour.core.zones import ZONE_IDS
from rushhour.simulator.web.assets import JSON, Asset, Assets
from rushhour.simulator.web.atlas import atlas
from rushhour.simulator.web.guard import Guard, GuardedApp, Refused
from rushhour.simulator.web.libraries import libraries
from rushhour.simulator.web.live.feed import Feed, TooManyPages
from rushhour.simulator.web.live.mailbox import Mailbox
from rushhour.simulator.web.monitoring.monitor import Monitor
from rushhour.simulator.web.pages import PAGES, render
from rushhour.simulator.web.reading.figures import encode
from rushhour.simulator.web.reading.history import WINDOWS, read_city, read_zone
from rushhour.simulator.web.reading.hours import read_past_hour
from rushhour.simulator.web.reading.run_facts import read_run_facts
from rushhour.simulator.web.remote import MAX_BYTES, send_from_page
from rushhour.simulator.web.source import RunSource
from rushhour.simulator.web.topics import Topics
from rushhour.storage.clock import hour_of_entry
from rushhour.storage.runs import load_run

_MAX_HOURS = 31 * 24
_ZONE_HOURS = 168
_WHOLE_NUMBER = re.compile("[0-9]{1,15}")

_NO_KAFKA = {
    "error": "The Kafka of this run is not up any more, or not known here: give its address as "
    f"{Settings.env_name('kafka')} or {Settings.flag_name('kafka')}."
}

Read = Callable[[redis.Redis, Request], Any]


class NotFound(Exception):
    """What a request names does not exist."""


def create_app(source: RunSource, feed: Feed, guard: Guard) -> Starlette:
    """Return the application for the run of a source."""
    assets = Assets(libraries())
    pages = [_page(page.path, render(page, guard.access)) for page in PAGES]
    reads: dict[str, Read] = {
        "/api/hours/{pickup_ts:int}": _hour,
        "/api/zones/{zone:int}": _zone,
        "/api/city": _city,
        "/api/monitoring": _monitoring(Monitor()),
    }
    return Starlette(
        routes=[
            *pages,
            Route("/static/{name}", assets.respond),
            Route("/zones.json", atlas().response),
            Route("/events", _events(feed)),
            Route("/api/run", _run(source, guard)),
            Route("/api/commands", _commands(source, guard), methods=["POST"]),
            *(Route(path, _reading(source, read)) for path, read in reads.items()),
            *_topics(source),
        ],
        middleware=[
            Middleware(GuardedApp, guard=guard),
            Middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5),
        ],
    )


def _page(path: str, asset: Asset) -> Route:
    return Route(path, asset.response)


def _run(source: RunSource, guard: Guard) -> Callable[[Request], Response]:
    """Answer with the facts of the run; `access` says what a command needs."""

    def answer(_: Request) -> Response:
        facts: dict[str, Any] = {"state": None}
        try:
            facts = _read(source, read_run_facts)
        except (RushhourError, redis.RedisError) as error:
            facts["reason"] = str(error)
        return _json(facts | {"access": guard.access})

    return answer


def _reading(source: RunSource, read: Read) -> Callable[[Request], Response]:
    """Answer with what is read of the run; says why it cannot be read."""

    def answer(request: Request) -> Response:
        try:
            return _json(_read(source, lambda client: read(client, request)))
        except NotFound as error:
            return _json({"error": str(error)}, 404)
        except (RushhourError, redis.RedisError) as error:
            return _json({"error": str(error)}, 503)

    return answer


def _read(source: RunSource, read: Callable[[redis.Redis], Any]) -> Any:
    """Read from the run's Redis; once more if it was lost, for another may have taken its place."""
    client = source.client()
    try:
        return read(client)
    except redis.ConnectionError:
        source.lost(client)
        return read(source.client())


def _hour(client: redis.Redis, request: Request) -> Any:
    hour_ts: int = request.path_params["pickup_ts"]
    run = load_run(client)
    found = None
    if hour_ts in range(run.start_ts, run.end_ts, HOUR_MS):
        found = read_past_hour(client, run, hour_ts)
    if found is None:
        raise NotFound("that hour is not closed")
    return found


def _zone(client: redis.Redis, request: Request) -> Any:
    zone: int = request.path_params["zone"]
    if zone not in ZONE_IDS:
        raise NotFound(f"zone {zone}: ids go from {ZONE_IDS[0]} to {ZONE_IDS[-1]}")
    hours = _whole_number(request, "hours")
    hours = _ZONE_HOURS if hours is None else min(max(1, hours), _MAX_HOURS)
    return read_zone(client, load_run(client), zone, hours, _whole_number(request, "until"))


def _whole_number(request: Request, name: str) -> int | None:
    """Return a parameter of a request; None if it is missing or no whole number."""
    text = request.query_params.get(name, "")
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None


def _city(client: redis.Redis, request: Request) -> Any:
    window = _window(request)
    load_run(client)
    return read_city(client, window)


def _monitoring(monitor: Monitor) -> Read:
    return lambda client, request: monitor.read(client, _window(request))


def _window(request: Request) -> str:
    window = request.query_params.get("window", WINDOWS[0])
    if window not in WINDOWS:
        raise NotFound(f"window: use {', '.join(WINDOWS)}")
    return window


def _topics(source: RunSource) -> list[Route]:
    """Answer with the topics, and with the last messages of one."""
    topics = Topics()

    def overview(client: redis.Redis, _: Request) -> Any:
        cluster = source.kafka()
        return _NO_KAFKA if cluster is None else topics.overview(cluster, client)

    def messages(_: redis.Redis, request: Request) -> Any:
        topic = request.path_params["topic"]
        if topic not in TOPICS:
            raise NotFound(f"topics are {', '.join(TOPICS)}")
        cluster = source.kafka()
        return _NO_KAFKA if cluster is None else topics.messages(cluster, topic)

    return [
        Route("/api/topics", _reading(source, overview)),
        Route("/api/topics/{topic}", _reading(source, messages)),
    ]


def _events(feed: Feed) -> Callable[[Request], Any]:
    """Answer with the live stream of one page."""

    async def answer(request: Request) -> Response:
        query = request.query_params
        seen = query.get("after") or request.headers.get("last-event-id", "")
        seen_ts = hour_of_entry(seen) if is_entry_id(seen) else None
        mailbox = Mailbox(query.get("run"), seen_ts)
        try:
            feed.subscribe(mailbox)
        except TooManyPages:
            return _json({"error": "too many pages are open"}, 503)
        return StreamingResponse(
            _stream(feed, mailbox),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return answer


async def _stream(feed: Feed, mailbox: Mailbox) -> AsyncIterator[bytes]:
    try:
        yield b": rushhour\n\n"  # the browser knows at once that the stream is open
        while not mailbox.is_closed:
            yield await mailbox.take()
    finally:
        feed.unsubscribe(mailbox)


def _commands(source: RunSource, guard: Guard) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            guard.check_command(request.headers)
            body = b""
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise Refused(413, f"a command has at most {MAX_BYTES} bytes")
            return _json(await run_in_threadpool(send_from_page, source, body))
        except Refused as refused:
            return _json({"id": None, "error": refused.reason}, refused.status)

    return answer


def _json(document: Any, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(encode(document), status, headers=headers, media_type=JSON)
