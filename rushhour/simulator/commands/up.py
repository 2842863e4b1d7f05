"""`rushhour up`: start everything, show the run, report, and stop everything cleanly.

Processes and servers start first, and load while the rest of this command does.
"""

from pathlib import Path
from typing import NamedTuple

from rushhour.core.errors import StackError
from rushhour.core.gate import ON_HOUR
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.runtime.redis_client import connect, redis_failures
from rushhour.simulator.commands.interrupts import deferred
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.trip_file import describe, find_trips
from rushhour.simulator.stack.on_hour import check_on_hour
from rushhour.simulator.stack.page_server import open_page_server
from rushhour.simulator.stack.resume import check_same
from rushhour.simulator.stack.stack import Repeated, open_stack
from rushhour.simulator.stack.state_dir import hold_state_dir
from rushhour.storage.runs import find_run


class Repetition(NamedTuple):
    """What repeats a run: its trip files (none if synthetic), what it replayed and did."""

    files: tuple[Path, ...]
    run: RunInfo
    repeated: Repeated


def up(
    settings: Settings,
    output: Output,
    *,
    stay: bool,
    restart: bool,
    profile: bool = False,
    repetition: Repetition | None = None,
) -> None:
    """Replay a month, or several in a row, from start to end.

    With `stay`, the servers are kept up after the report until Ctrl-C. With `restart`, another run
    on a given Redis is deleted. With `profile`, the report says what each part has used and waited
    for. With a `repetition`, another run is repeated.

    Raises
    ------
    RushhourError
        If a process cannot be started or dies; the others are stopped first.
    ClosedPipeError
        If nobody reads the output any more; everything is stopped first.
    KeyboardInterrupt
        If the user stops the run before its end.
    """
    settings.check_start(*settings.window)
    with hold_state_dir(settings.state_dir):
        _run(settings, output, repetition, stay=stay, restart=restart, profile=profile)


def _run(
    settings: Settings,
    output: Output,
    repetition: Repetition | None,
    *,
    stay: bool,
    restart: bool,
    profile: bool,
) -> None:
    check_on_hour(settings)
    if settings.on_hour:
        gates = dict.fromkeys((*settings.gates, ON_HOUR))
        settings = settings.model_copy(update={"gate": ",".join(gates)})
    existing = None if restart else _run_on_given_redis(settings)
    files = find_trips(settings, output, existing) if repetition is None else repetition.files
    with (
        open_page_server(settings) as pages,
        deferred() as interrupts,
        open_stack(settings, settings.state_dir, preload=True, profile=profile) as stack,
        redis_failures(stack.redis_address),
    ):
        from rushhour.simulator.commands.replay import Replay  # noqa: PLC0415 - loads NumPy and Rich

        run = describe(settings, output, files, existing)
        if existing is not None:
            check_same(existing, run, "rushhour up" if repetition is None else "rushhour replay")
        if repetition is not None:
            _check_repeats(run, repetition.run)
        replay = Replay(stack, run, output, interrupts, pages)
        replay.begin(repetition and repetition.repeated)
        times = replay.watch()
        hours_closed = replay.hours_closed()
        if times is not None and (hours_closed or not replay.was_stopped):
            replay.report(times)
            if stay and not replay.was_stopped:
                replay.stay()
    if hours_closed:
        output.note(_how_to_read(settings))
    if times is None:
        raise KeyboardInterrupt


def _check_repeats(run: RunInfo, repeated: RunInfo) -> None:
    """Check that a run replays the same as the one that it repeats, but for versions.

    Those have been checked, and the user may have accepted others.
    """
    differences = [name for name in run.differences(repeated) if name != "version"]
    if differences:
        raise StackError(
            f"the run of the manifest cannot be repeated, for this one differs in "
            f"{', '.join(differences)}: start it with `rushhour up`"
        )


def _run_on_given_redis(settings: Settings) -> RunInfo | None:
    """Return the run on the Redis of the settings; None without one: the embedded one is empty."""
    address = settings.redis_address
    if address is None:
        return None
    with redis_failures(address):
        return find_run(connect(address))


def _how_to_read(settings: Settings) -> str:
    """Return how to read a run whose processes have ended."""
    if settings.redis_address is not None:
        return f"the run is in Redis at {settings.redis_address}: `rushhour status`"
    return (
        f"the embedded Redis has ended; the run is saved in {settings.state_dir}: read it with "
        "`rushhour status`, or serve it for redis-cli with `rushhour redis`"
    )
