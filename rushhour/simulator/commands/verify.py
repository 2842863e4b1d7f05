"""`rushhour verify`: compare a run with its trip file and with an offline replay."""

from collections.abc import Iterable
from pathlib import Path

from rich.text import Text

from rushhour.core.errors import DataError, VerificationError
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.trip_file import files_of_run
from rushhour.simulator.documents import schema
from rushhour.simulator.evaluation.verification.check import Check
from rushhour.simulator.evaluation.verify import verify as checks
from rushhour.simulator.stack.open_run import open_run
from rushhour.simulator.stack.run_kafka import kafka_of
from rushhour.storage.runs import load_run

_MARKS = {"ok": ("ok  ", "green"), "note": ("note", "yellow"), "fail": ("FAIL", "red")}


def verify(settings: Settings, output: Output, data: Path | None, warm_start: Path | None) -> None:
    """Print each check as it is done.

    `data` is the trip file and `warm_start` the saved model, if those of the run have moved.

    Raises
    ------
    DataError
        If a trip file cannot be read.
    UsageError
        If the saved model that the run began with cannot be read, or is another one.
    VerificationError
        If a check failed.
    """
    with open_run(settings) as opened:
        run = load_run(opened.client)
        files = trip_files(settings, run, data)
        model = warm_start or (Path(run.warm_start) if run.warm_start else None)
        # A saved run has ended: its Kafka may hold other runs since, or be gone.
        cluster = None if opened.kind == "saved" else kafka_of(settings, opened)
        failed = print_checks(output, checks(opened.client, run, files, cluster, model))
    if failed:
        raise VerificationError(f"{failed} failed: the run differs from its trip file")


def trip_files(settings: Settings, run: RunInfo, data: Path | None) -> tuple[Path, ...]:
    """Return the trip file of each month of a run; `data` is that of a single month, if it moved.

    Those of several months are also looked for in the data directory and the cache.

    Raises
    ------
    DataError
        If a file does not exist.
    """
    if run.files:
        found = files_of_run(run, settings.model_copy(update={"data": data}))
        for known, file in zip(run.files, found, strict=True):
            if file is None:
                raise DataError(
                    f"{known.path}: no such file: put it back, or into the directory that "
                    f"{Settings.env_name('data_dir')} names"
                )
        return tuple(filter(None, found))
    file = data or (None if run.synthetic else Path(run.file))
    if file is None:
        return ()
    if not file.is_file():
        raise DataError(f"{file}: no such file: name the run's trip file with --data")
    return (file,)


def print_checks(output: Output, found: Iterable[Check]) -> str:
    """Print each check as it is done; return how many failed, in words, or nothing."""
    failed = 0
    for check in found:
        _print(output, check)
        failed += not check.passed
    return "1 check" if failed == 1 else f"{failed} checks" if failed else ""


def _print(output: Output, check: Check) -> None:
    if output.as_json:
        output.document(schema.Check(name=check.name, status=check.status, detail=check.detail))
        return
    mark, style = _MARKS[check.status]
    output.show(Text.assemble((mark, style), f" {check.name}: {check.detail}"))
