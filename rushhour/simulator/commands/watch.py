"""`rushhour watch`: show a run that others do, to its end, and report."""

import time

import redis
from rich.console import Console

from rushhour.simulator.commands.interrupts import Interrupts
from rushhour.simulator.evaluation.live import read_run
from rushhour.simulator.evaluation.scoring import evaluate
from rushhour.simulator.terminal import report
from rushhour.simulator.terminal.live import LiveView, LogView, View
from rushhour.simulator.terminal.run_view import RunView
from rushhour.storage.clock import is_finished
from rushhour.storage.runs import load_run

_LOOK_S = 0.1


def watch(client: redis.Redis, console: Console, interrupts: Interrupts) -> None:
    """Show the run until its last hour is closed; then report on it.

    Raises
    ------
    RedisFailure
        If Redis holds no run.
    KeyboardInterrupt
        If the user has seen enough. The run goes on.
    """
    with open_view(client, console) as view:
        while not is_finished(client, load_run(client)):
            interrupts.check()
            view.update()
            time.sleep(_LOOK_S)
        view.update()
    run = load_run(client)
    console.print(report.report(RunView.read(client), evaluate(read_run(client, run))))
    console.print(f"finished: all {run.hours} hours are closed and scored", style="bold")


def open_view(client: redis.Redis, console: Console) -> View:
    """Return what suits the console: a live screen, or lines for a log."""
    return LiveView(client, console) if console.is_terminal else LogView(client, console)
