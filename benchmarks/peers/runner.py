"""Runs contenders in turn, accounts for their process trees, and keeps what was measured."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.peers.broker import Broker
from benchmarks.peers.environments import UnavailableError
from benchmarks.peers.registry import Bench, Command, Contender
from benchmarks.peers.results import Measurement, Results, State
from benchmarks.peers.supervise import Account

_ROOT = Path(__file__).parents[2]
_LONGEST_DETAIL = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """How to measure.

    Parameters
    ----------
    runs
        Number of rounds; each contender runs once in a round.
    limit_s
        Seconds after which a run is killed.
    file
        The file of results, saved after each run.
    logs
        Directory for the output of runs that were not exact.
    say
        Told about progress, one line at a time.
    """

    runs: int
    limit_s: float
    file: Path
    logs: Path
    say: Callable[[str], None]


def prepare(contenders: Sequence[Contender], bench: Bench, results: Results, plan: Plan) -> None:
    """Prepare contenders; those that cannot be are left out, with the reason."""
    for contender in contenders:
        plan.say(f"preparing {contender.name}")
        results.labels[contender.name] = contender.label
        results.left_out.pop(contender.name, None)
        try:
            contender.prepare(bench)
        except UnavailableError as error:
            results.left_out[contender.name] = str(error)
            plan.say(f"{contender.name} is left out: {error}")


def measure_all(
    contenders: Sequence[Contender], bench: Bench, broker: Broker, results: Results, plan: Plan
) -> None:
    """Do the runs that are missing, a round of all contenders at a time; save after each."""
    for round_number in range(1, plan.runs + 1):
        for contender in contenders:
            if contender.name in results.left_out or results.has(contender.name, round_number):
                continue
            done = measure(contender, round_number, bench, broker, plan)
            results.add(done)
            results.save(plan.file)
            cost = f"{done.wall_s:.1f} s wall, {done.cpu_s:.1f} s CPU"
            verdict = f"{done.state}: {done.detail}" if done.detail else done.state
            plan.say(f"round {round_number} of {plan.runs}: {contender.name}: {cost}, {verdict}")


def measure(
    contender: Contender, round_number: int, bench: Bench, broker: Broker, plan: Plan
) -> Measurement:
    """Run a contender once."""
    directory = Path(tempfile.mkdtemp(prefix=f"{contender.name}-", dir=bench.cache)).absolute()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        command = contender.command(bench, directory)
        stack.callback(command.clean)
        log = directory / "log"
        before = broker.cpu_s()
        account = _supervise(command, directory / "account.json", log, plan.limit_s)
        after = broker.cpu_s()
        state, detail = _verdict(account, command, log, plan.limit_s)
        if state != "exact":
            plan.logs.mkdir(parents=True, exist_ok=True)
            shutil.copy(log, plan.logs / f"{contender.name}-{round_number}.log")
    return Measurement(
        contender=contender.name,
        round=round_number,
        trips=command.trips,
        state=state,
        detail=detail,
        wall_s=account.wall_s,
        cpu_s=account.cpu_s,
        peak_bytes=account.peak_bytes,
        broker_cpu_s=None if before is None or after is None else after - before,
    )


def _supervise(command: Command, account: Path, log: Path, limit_s: float) -> Account:
    arguments = [str(account), str(limit_s), *command.argv]
    with log.open("wb") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.supervise", *arguments],
            cwd=_ROOT,
            env=dict(os.environ) | command.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            supervisor.wait()
        finally:
            if supervisor.poll() is None:
                supervisor.terminate()
                supervisor.wait()
    return msgspec.json.decode(account.read_bytes(), type=Account)


def _verdict(account: Account, command: Command, log: Path, limit_s: float) -> tuple[State, str]:
    if account.exit_code is None:
        return "over time", f"not finished after {limit_s:.0f} s"
    if account.exit_code:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
        last = lines[-1] if lines else f"exit code {account.exit_code}"
        return "failed", last[:_LONGEST_DETAIL]
    wrong = command.wrong()
    return ("wrong", wrong) if wrong else ("exact", "")
