"""`rushhour watch`: show a run that others do, to its end, and report."""

import time

import redis
from rich.console import Console

from core.run import RunInfo
from core.status import is_over
from simulator import report
from simulator.interrupts import Interrupts
from simulator.live import LineView, LiveView, View
from simulator.recorded import read_forecasts
from simulator.scoring import judge
from simulator.snapshot import Snapshot

_LOOK_S = 0.1


def watch(client: redis.Redis, console: Console, interrupts: Interrupts) -> None:
    """Show the run until its last hour is closed; then report on it.

    Raises
    ------
    RedisError
        If Redis holds no run.
    KeyboardInterrupt
        If the user has seen enough. The run goes on.
    """
    with open_view(client, console) as view:
        while not is_over(client, RunInfo.load(client)):
            interrupts.check()
            view.update()
            time.sleep(_LOOK_S)
        view.update()
    run = RunInfo.load(client)
    console.print(report.report(Snapshot.read(client), judge(read_forecasts(client, run))))
    console.print(f"finished: all {run.hours} hours are closed and scored", style="bold")


def open_view(client: redis.Redis, console: Console) -> View:
    """Return what suits the console: a live screen, or lines for a log."""
    return LiveView(client, console) if console.is_terminal else LineView(client, console)
