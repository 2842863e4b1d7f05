"""`rushhour up`: start everything, show the run, report, and stop everything cleanly."""

import time
from urllib.parse import urlsplit

from rushhour.core.hours import clock_label
from rushhour.core.labels import source_label
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.runtime.redis_client import connect, redis_failures
from rushhour.simulator.commands.interrupts import Interrupts, deferred
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.trip_file import wanted_run
from rushhour.simulator.documents.run import report_document
from rushhour.simulator.evaluation.live import read_run
from rushhour.simulator.evaluation.scoring import evaluate
from rushhour.simulator.run_view import RunView
from rushhour.simulator.stack.redis_server import DEFAULT_PORT
from rushhour.simulator.stack.resume import check_same
from rushhour.simulator.stack.stack import Stack, open_stack
from rushhour.simulator.stack.state_dir import hold_state_dir
from rushhour.simulator.terminal import report
from rushhour.simulator.terminal.live import open_view
from rushhour.simulator.terminal.locations import redis_cli
from rushhour.simulator.terminal.screens import time_label
from rushhour.storage.runs import find_run

_POLL_S = 0.05


def up(settings: Settings, output: Output, *, stay: bool, restart: bool) -> None:
    """Replay a month from start to end.

    With `stay`, the servers are kept up after the report until Ctrl-C. With `restart`, another run
    on a given Redis is deleted.

    Raises
    ------
    RushhourError
        If a process cannot be started or dies; the others are stopped first.
    ClosedPipeError
        If nobody reads the output any more; everything is stopped first.
    KeyboardInterrupt
        If the user stops the run before its end.
    """
    with hold_state_dir(settings.state_dir):
        _run(settings, output, stay=stay, restart=restart)


def _run(settings: Settings, output: Output, *, stay: bool, restart: bool) -> None:
    existing = None if restart else _run_on_given_redis(settings)
    run = wanted_run(settings, output, existing)
    if existing is not None:
        check_same(existing, run, "rushhour up")
    with (
        deferred() as interrupts,
        open_stack(settings, settings.state_dir) as stack,
        redis_failures(stack.redis_address),
    ):
        for line in _announcement(stack, run):
            output.note(line)
        started = time.monotonic()
        stack.start_pipeline(run)
        is_finished = _watch(output, stack, interrupts)
        if is_finished:
            _report(output, stack, run, time.monotonic() - started)
        if is_finished and stay:
            _stay(output, stack, interrupts)
        hours_closed = RunView.read(stack.client).hours_closed
    if hours_closed:
        output.note(_how_to_read(settings))
    if not is_finished:
        raise KeyboardInterrupt


def _run_on_given_redis(settings: Settings) -> RunInfo | None:
    """Return the run on the Redis of the settings; None without one: the embedded one is empty."""
    address = settings.redis_address
    if address is None:
        return None
    with redis_failures(address):
        return find_run(connect(address))


def _watch(output: Output, stack: Stack, interrupts: Interrupts) -> bool:
    """Show the run until every process is done; return False if the user stopped it."""
    try:
        with open_view(stack.client, output.notes, _addresses(stack)) as view:
            while not stack.is_done():
                interrupts.check()
                view.update()
                time.sleep(_POLL_S)
            view.update()
    except KeyboardInterrupt:
        stack.stop_pipeline()  # first, so that the time is the one that is saved
        stopped_at = RunView.read(stack.client).now_ts
        output.note(f"stopped at {time_label(stopped_at, 'the start')}")
        return False
    return True


def _report(output: Output, stack: Stack, run: RunInfo, wall_s: float) -> None:
    costs = stack.costs()
    view = RunView.read(stack.client)
    evaluation = evaluate(read_run(stack.client, run))
    if output.as_json:
        output.document(report_document(view, evaluation, costs, wall_s))
        return
    trips = view.clock.trips if view.clock else 0
    output.show(report.report(view, evaluation), report.costs_report(costs, wall_s, trips))


def _announcement(stack: Stack, run: RunInfo) -> list[str]:
    settings = stack.settings
    span = f"{clock_label(run.start_ts)} to {clock_label(run.end_ts)}"
    kafka, redis = _addresses(stack).values()
    if settings.kafka is None:
        kafka += " (embedded)"
    if settings.redis is None:
        redis += f" (embedded: {redis_cli(stack.redis_address)})"
    lines = [
        f"replaying  {source_label(run)}",
        f"hours      {run.hours} ({span}) at {settings.speed}",
        f"Kafka      {kafka}",
        f"Redis      {redis}",
    ]
    wanted = settings.redis_port or DEFAULT_PORT
    if settings.redis is None and urlsplit(stack.redis_address.url).port not in {None, wanted}:
        lines.append(f"           port {wanted} is taken: this is the next free one")
    return lines


def _addresses(stack: Stack) -> dict[str, str]:
    """Return where each server is."""
    return {"Kafka": stack.kafka.bootstrap, "Redis": str(stack.redis_address)}


def _how_to_read(settings: Settings) -> str:
    """Return how to read a run whose processes have ended."""
    if settings.redis_address is not None:
        return f"the run is in Redis at {settings.redis_address}: `rushhour status`"
    return (
        f"the embedded Redis has ended; the run is saved in {settings.state_dir}: read it with "
        "`rushhour status`, or serve it for redis-cli with `rushhour redis`"
    )


def _stay(output: Output, stack: Stack, interrupts: Interrupts) -> None:
    """Keep the servers up until Ctrl-C."""
    output.note(
        f"Redis stays up until Ctrl-C: `{redis_cli(stack.redis_address)}`, "
        "or `rushhour status` in another terminal"
    )
    try:
        while True:
            interrupts.check()
            stack.is_done()
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        pass
