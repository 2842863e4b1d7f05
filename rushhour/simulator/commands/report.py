"""`rushhour report`: how a run went and how good it was, as text or as one HTML file."""

import errno
import os
import secrets
from pathlib import Path

from rushhour.core.errors import RedisFailure
from rushhour.core.hours import clock_label
from rushhour.core.labels import closed_hours_label, source_label
from rushhour.core.settings import Settings
from rushhour.simulator.commands.checks import cannot_write
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents.run import run_report_document
from rushhour.simulator.evaluation.live import read_run
from rushhour.simulator.evaluation.scoring import evaluate
from rushhour.simulator.run_view import RunView
from rushhour.simulator.stack.open_run import open_run
from rushhour.simulator.terminal.report import report as report_screen


def report(settings: Settings, output: Output, html: Path | None) -> None:
    """Print the scores of the closed hours, and write the report to the file `html`.

    Raises
    ------
    RedisFailure
        If there is no run, or no hour of it is closed.
    UsageError
        If the file cannot be written.
    """
    with open_run(settings) as opened:
        view = RunView.read(opened.client)
        if view.last_closed_ts is None:
            raise RedisFailure("no hour is closed yet: nothing to report: try again in a moment")
        evaluation = evaluate(read_run(opened.client, view.run))
        if html is not None:
            from rushhour.simulator.web.report.figures import (  # noqa: PLC0415 - loads Starlette
                last_end,
                report_figures,
            )
            from rushhour.simulator.web.report.page import report_html  # noqa: PLC0415

            figures = report_figures(opened.client, view, evaluation)
            span = f"{clock_label(view.run.start_ts)} to {clock_label(last_end(view))}"
            _write(report_html(f"{source_label(view.run)}, {span}", figures), html)
    if output.as_json:
        output.document(run_report_document(view, evaluation, html))
    else:
        output.show(report_screen(view, evaluation))
    if view.run.loop_ts is None and view.hours_closed < view.run.hours:
        label = closed_hours_label(view.run, view.hours_closed)
        output.warn(f"the run is not finished: {label}")
    if html is not None:
        output.note(f"report written to {html}")


def _write(text: str, path: Path) -> None:
    """Write a file as a whole, or leave what is there."""
    target = path.resolve()  # a link goes on to lead to it
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        if target.exists() and not target.is_file():
            raise OSError(errno.EEXIST, "exists, and is no file")
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise cannot_write(path, "--html", error) from None
    finally:
        part.unlink(missing_ok=True)
