"""`rushhour up`: start everything, show it, report, and stop all of it cleanly."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from rushhour.core.errors import UnreachableError
from rushhour.core.hours import clock_label
from rushhour.core.labels import source_label
from rushhour.core.redis_url import mask_password
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.runtime.redis_client import redis_failures
from rushhour.simulator.commands.interrupts import Interrupts, deferred
from rushhour.simulator.commands.watch import open_view
from rushhour.simulator.evaluation.live import read_run
from rushhour.simulator.evaluation.scoring import evaluate
from rushhour.simulator.runs import describe_run, find_data
from rushhour.simulator.stack.session import open_state_dir
from rushhour.simulator.stack.stack import Stack, open_stack
from rushhour.simulator.terminal import report, screens
from rushhour.simulator.terminal.run_view import RunView

_WATCH_S = 0.05
_READ_LATER = "`rushhour status` still reads the run"


def up(settings: Settings, console: Console, *, stay: bool) -> None:
    """Replay a month from end to end.

    With `stay`, Redis is kept up after the report until Ctrl-C.

    Raises
    ------
    RushhourError
        If a part cannot be started or dies; the rest is stopped first.
    KeyboardInterrupt
        If the user stops the run before its end.
    """
    directory = open_state_dir(settings)
    file = locate_or_download(settings, console)
    run = describe_run(settings, file)
    with (
        deferred() as interrupts,
        open_stack(settings, directory) as stack,
        redis_failures(stack.redis_url),
    ):
        _announce(console, stack, source_label(run), run.hours)
        started = time.monotonic()
        stack.start_pipeline(run)
        _watch(console, stack, interrupts)
        _report(console, stack, run, time.monotonic() - started)
        if stay:
            _stay(console, stack, interrupts)


def _watch(console: Console, stack: Stack, interrupts: Interrupts) -> None:
    """Show the run until every part is done."""
    try:
        with open_view(stack.client, console) as view:
            while not stack.is_done():
                interrupts.check()
                view.update()
                time.sleep(_WATCH_S)
            view.update()
    except KeyboardInterrupt:
        snapshot = RunView.read(stack.client)
        later = f"; {_READ_LATER}" if snapshot.hours_closed else ""
        console.print(f"stopped at {screens.now_label(snapshot)}{later}", soft_wrap=True)
        raise


def _report(console: Console, stack: Stack, run: RunInfo, wall_s: float) -> None:
    costs = stack.costs()
    snapshot = RunView.read(stack.client)
    console.print(report.report(snapshot, evaluate(read_run(stack.client, run))))
    trips = snapshot.clock.trips if snapshot.clock else 0
    console.print(report.costs_report(costs, wall_s, trips))


def locate_or_download(settings: Settings, console: Console) -> Path | None:
    """Return the trip file, or None for a synthetic month; says so and why."""
    try:
        with download_progress(console, settings) as advance:
            return find_data(settings, advance)
    except UnreachableError as error:
        console.print(str(error), style="yellow", soft_wrap=True)
        console.print(
            "No trip file: replaying a SYNTHETIC month instead, made up from mean rates. "
            "Name a file with --data, or try `rushhour download` later.",
            style="yellow",
            soft_wrap=True,
        )
        return None


@contextmanager
def download_progress(
    console: Console, settings: Settings
) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a callback (bytes done, bytes in all) that draws a progress bar once it is called."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        transient=True,
    )
    task = progress.add_task(f"downloading {settings.dataset} {settings.month}", start=False)

    def advance(done: int, total: int | None) -> None:
        if not progress.live.is_started:
            if not console.is_terminal:
                console.print(f"downloading {settings.dataset} {settings.month} ...")
            progress.start()
            progress.start_task(task)
        progress.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        if progress.live.is_started:
            progress.stop()


def _announce(console: Console, stack: Stack, source: str, hours: int) -> None:
    port = stack.redis_url.rpartition(":")[2].partition("/")[0]
    settings = stack.settings
    start, end = settings.window
    lines = [
        f"replaying  {source}",
        f"hours      {hours} ({clock_label(start)} to {clock_label(end)}) at {settings.speed}",
        f"Kafka      {stack.bootstrap}" + (" (embedded)" if settings.kafka is None else ""),
        f"Redis      {mask_password(stack.redis_url)}"
        + (f" (embedded: redis-cli -p {port})" if settings.redis is None else ""),
    ]
    if settings.redis is None and port != str(settings.redis_port):
        lines.append(f"           port {settings.redis_port} is taken: this is the next free one")
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def _stay(console: Console, stack: Stack, interrupts: Interrupts) -> None:
    console.print(
        f"Redis stays up at {mask_password(stack.redis_url)} until Ctrl-C; "
        f"after that, {_READ_LATER}",
        soft_wrap=True,
    )
    try:
        while True:
            interrupts.check()
            stack.is_done()
            time.sleep(_WATCH_S)
    except KeyboardInterrupt:
        pass
