"""`rushhour verify --live`: watch the invariants of a run under way."""

import time

from rushhour.core.errors import RedisFailure, VerificationError
from rushhour.core.settings import Settings
from rushhour.simulator.commands.interrupts import deferred
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.verify import print_checks
from rushhour.simulator.evaluation.verification.invariants import Invariants, Sample
from rushhour.simulator.stack.open_run import OpenRun, follow_run
from rushhour.storage.runs import load_run

_SAMPLE_S = 0.2


def verify_live(settings: Settings, output: Output, seconds: float | None) -> None:
    """Sample a run for some seconds, or until it ends or Ctrl-C is pressed, and print each check.

    Raises
    ------
    RedisFailure
        If no run is live, or another one takes its place.
    VerificationError
        If a check failed.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    watched: Invariants | None = None

    def sample_until_end(opened: OpenRun) -> Invariants:
        nonlocal watched
        run = load_run(opened.client)
        if watched is None:
            watched = Invariants(run, settings.ahead_hours)
            output.note("watching the run; Ctrl-C shows what was found")
        while True:
            sample = Sample.read(opened.client, run, watched.last_entry)
            if sample.run_id != run.run_id:
                raise RedisFailure("another run has started on this Redis: verify that one")
            watched.add(sample)
            over = deadline is not None and time.monotonic() >= deadline
            if over or interrupts.requested or watched.hours >= run.hours:
                return watched
            time.sleep(_SAMPLE_S)

    with deferred() as interrupts:
        invariants = follow_run(settings, sample_until_end)
        interrupts.requested = False
    failed = print_checks(output, [invariants.summary(), *invariants.checks()])
    if failed:
        raise VerificationError(f"{failed} failed: see docs/reliability.md for what to do")
