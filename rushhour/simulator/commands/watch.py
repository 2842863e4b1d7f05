"""`rushhour watch`: follow a run that other processes do until it ends, and report."""

import time
from collections.abc import Iterator
from typing import Any, cast

import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.simulator.commands.interrupts import Interrupts, deferred
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents.run import closed_hour_document
from rushhour.simulator.evaluation.live import read_run
from rushhour.simulator.evaluation.scoring import evaluate
from rushhour.simulator.run_view import RunView
from rushhour.simulator.stack.open_run import OpenRun, follow_run
from rushhour.simulator.terminal import report
from rushhour.simulator.terminal.live import open_view
from rushhour.storage.clock import is_finished, load_status
from rushhour.storage.runs import load_run

_POLL_S = 0.05
_BLOCK_MS = 200
_BEFORE_ALL = "0-0"


def watch(settings: Settings, output: Output, *, from_start: bool) -> None:
    """Show a run until its last hour is closed, and report; as JSON, print each closed hour.

    Raises
    ------
    RedisFailure
        If Redis holds no run, or another run takes its place.
    KeyboardInterrupt
        If the user has seen enough. The run is not affected.
    """
    last_id: str | None = _BEFORE_ALL if from_start else None

    def show(opened: OpenRun) -> None:
        nonlocal last_id
        if not output.as_json:
            _show(opened, output, interrupts)
            return
        run = load_run(opened.client)
        last_id = last_id or _last_id(opened.client)
        for entry_id, fields in closed_hours(opened.client, run, last_id, interrupts):
            output.document(closed_hour_document(run, fields))
            last_id = entry_id

    with deferred() as interrupts:
        follow_run(settings, show)


def closed_hours(
    client: redis.Redis, run: RunInfo, last_id: str, interrupts: Interrupts
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the entries of `city:hourly` after `last_id`, as they come, until the run ends.

    Each is an id and its fields.

    Raises
    ------
    RedisFailure
        If another run takes the place of this one.
    """
    while True:
        has_ended = _has_ended(client, run)  # before the read: no entry follows once it has
        block = None if has_ended else _BLOCK_MS
        replies = cast(Any, client.xread({keys.CITY_HOURLY: last_id}, block=block))
        entries = [entry for _, found in replies for entry in found]
        for entry_id, fields in entries:
            yield entry_id, fields
            last_id = entry_id
        interrupts.check()
        if has_ended and not entries:
            return


def _show(opened: OpenRun, output: Output, interrupts: Interrupts) -> None:
    client = opened.client
    run = load_run(client)
    with open_view(client, output.notes, {"Redis": str(opened.address)}) as view:
        while not _has_ended(client, run):
            interrupts.check()
            view.update()
            if view.quits:
                break
            time.sleep(_POLL_S)
        view.update()
    if view.quits:
        output.note("the run goes on: `rushhour watch` shows it again")
        return
    output.show(report.report(RunView.read(client), evaluate(read_run(client, run))))
    if is_finished(client, run):
        output.note(f"finished: all {run.hours} hours are closed and scored", style="bold")
    else:
        output.warn("the run was stopped before its end")


def _has_ended(client: redis.Redis, run: RunInfo) -> bool:
    """Whether every hour is closed, or the run was stopped for good."""
    if load_run(client).run_id != run.run_id:
        raise RedisFailure("another run has started on this Redis: watch that one")
    status = load_status(client)
    return is_finished(client, run) or (status is not None and status.state == "stopped")


def _last_id(client: redis.Redis) -> str:
    """Return the id of the last closed hour in the stream."""
    last = cast(Any, client.xrevrange(keys.CITY_HOURLY, count=1))
    return str(last[0][0]) if last else _BEFORE_ALL
