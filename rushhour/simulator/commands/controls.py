"""The commands to the simulated clock: send one, wait until it is obeyed, and print what came."""

import time
from dataclasses import replace

import redis

from rushhour.core.clock import ClockStatus, Command, CommandResult
from rushhour.core.errors import RedisFailure
from rushhour.core.hours import HOUR_MS, clock_label, floor_hour, to_datetime
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents.run import clock_document, now_document, stepped_hour_document
from rushhour.simulator.run_view import RunView
from rushhour.simulator.stack.open_run import OpenRun, follow_run, open_live_run, open_run
from rushhour.simulator.terminal.gate_notice import GateNotice
from rushhour.simulator.terminal.hours import hour_lines
from rushhour.storage.clock import load_status
from rushhour.storage.closed_hours import follow_hours
from rushhour.storage.commands import send, send_command
from rushhour.storage.runs import find_run, load_run

__all__ = ["control", "control_and_wait", "now", "send_command"]

_START_OVER_S = 60.0
_END_S = 10.0
_POLL_S = 0.02


def control(settings: Settings, output: Output, command: Command) -> None:
    """Send a command to the clock of a live run, and print the clock afterwards."""
    with open_live_run(settings) as opened:
        clock = send_command(opened.client, command)
        if command.name == "stop":
            clock = _await_end(opened.client, clock)
    _show_clock(output, clock)


def control_and_wait(settings: Settings, output: Output, command: Command) -> None:
    """Send a command that leads ahead, and print each hour up to there once it is scored.

    Raises
    ------
    RedisFailure
        If the clock does not come to there.
    """
    sent: CommandResult | None = None
    shown_until = 0

    def follow(opened: OpenRun) -> ClockStatus | None:
        nonlocal sent, shown_until
        if sent is None:
            before = load_run(opened.client)
            _, sent = send(opened.client, command)
            shown_until = floor_hour(sent.now_ts)
            if sent.target_ts is not None and sent.target_ts < sent.now_ts:
                _await_another_run(opened.client, before)
                shown_until = before.start_ts
        run = load_run(opened.client)
        gate = GateNotice(opened.client)

        def tell() -> None:
            notice = gate.line()
            if notice is not None:
                output.note(notice)

        for hour in follow_hours(opened.client, shown_until, sent.target_ts or 0, tell):
            if output.as_json:
                output.document(stepped_hour_document(run, hour))
            else:
                output.lines(hour_lines(hour))
            shown_until = hour.hour_ts + HOUR_MS
        return load_status(opened.client)

    clock = follow_run(settings, follow)
    if clock is not None and not output.as_json:
        _show_clock(output, clock)


def now(settings: Settings, output: Output) -> None:
    """Print simulated time.

    Raises
    ------
    RedisFailure
        If there is no run.
    """
    with open_run(settings) as opened:
        view = RunView.read(opened.client)
    ts = view.run.start_ts if view.now_ts is None else view.now_ts
    if output.as_json:
        output.document(now_document(ts))
    else:
        output.lines([f"{to_datetime(ts):%Y-%m-%d %H:%M:%S}"])


def _await_end(client: redis.Redis, clock: ClockStatus) -> ClockStatus:
    """Return the clock once it says that it has ended: later than it has the result of `stop`."""
    deadline = time.monotonic() + _END_S
    while not clock.has_ended and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        try:
            clock = load_status(client) or clock
        except redis.ConnectionError:  # an embedded Redis ends with the run
            return replace(clock, state="stopped")
    return clock


def _await_another_run(client: redis.Redis, before: RunInfo) -> None:
    """Wait until a run that starts over has taken the place of the one before."""
    deadline = time.monotonic() + _START_OVER_S
    while time.monotonic() < deadline:
        run = find_run(client)
        if run is not None and run.run_id != before.run_id:
            return
        time.sleep(_POLL_S)
    raise RedisFailure(f"the run did not start over within {_START_OVER_S:.0f} s: see its log")


def _show_clock(output: Output, clock: ClockStatus) -> None:
    if output.as_json:
        output.document(clock_document(clock))
        return
    ahead = ""
    if clock.fast_until_ts is not None:
        ahead += f", at full speed until {clock_label(clock.fast_until_ts)}"
    if clock.pause_at_ts is not None:
        ahead += f", pauses at {clock_label(clock.pause_at_ts)}"
    output.show(f"{clock.state} at {clock.speed}, simulated {clock_label(clock.now_ts)}{ahead}")
