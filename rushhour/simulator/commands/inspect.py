"""`rushhour status`, `models`, `zone`, `compare` and `alerts`: read a run and print it."""

from pathlib import Path

from rushhour import views
from rushhour.core import keys
from rushhour.core.horizons import NEXT_HOUR
from rushhour.core.hours import parse_label
from rushhour.core.settings import Settings
from rushhour.runtime.redis_client import read_hash
from rushhour.simulator.commands.checks import save_csv
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents.location import location_document
from rushhour.simulator.documents.run import models_document, status_document, zone_document
from rushhour.simulator.documents.tables import alert_documents, comparison_documents
from rushhour.simulator.run_view import RunView
from rushhour.simulator.stack.open_run import open_run
from rushhour.simulator.terminal import inspect_screens
from rushhour.simulator.terminal.locations import location_label
from rushhour.simulator.terminal.screens import status_screen
from rushhour.storage.ahead import read_zone_ahead
from rushhour.storage.runs import load_run


def show_status(settings: Settings, output: Output) -> None:
    """Print the state of the run."""
    with open_run(settings) as opened:
        view = RunView.read(opened.client)
    if output.as_json:
        output.document(status_document(view, location_document(opened)))
    else:
        output.show(status_screen(view, location_label(opened)))


def show_models(settings: Settings, output: Output, horizon: int | None = None) -> None:
    """Print the rolling errors of each model, the best of the last week first.

    Parameters
    ----------
    horizon
        Show only the forecasts so many hours ahead; None for those of the next hour, and of the
        served model at each horizon.
    """
    with open_run(settings) as opened:
        view = RunView.read(opened.client)
    if horizon is not None:
        view = view.at(horizon)
    if output.as_json:
        output.document(models_document(view, inspect_screens.ranked(view)))
    else:
        output.show(inspect_screens.leaderboard(view))


def show_zone(settings: Settings, output: Output, zone: int) -> None:
    """Print one zone."""
    with open_run(settings) as opened:
        run = load_run(opened.client)
        fields = read_hash(opened.client, keys.zone(zone))
        label = fields.get("next_hour")
        ahead = (
            [] if label is None else read_zone_ahead(opened.client, run, zone, parse_label(label))
        )
    if output.as_json:
        output.document(zone_document(zone, fields, ahead))
    else:
        output.show(inspect_screens.zone_screen(run, zone, fields, ahead))


def compare(
    settings: Settings,
    output: Output,
    span: tuple[str | None, str | None],
    csv: Path | None,
    model: str | None = None,
    horizon: int = NEXT_HOUR,
) -> None:
    """Print predictions beside actual rides of a span of hours, and write them to a file.

    As JSON, all rows are printed; otherwise, the first few.
    """
    with open_run(settings) as opened:
        run = load_run(opened.client)
        table = views.comparison(opened.client, *span, model, horizon)
    if csv is not None:
        save_csv(table, csv)
    if output.as_json:
        output.documents(comparison_documents(table))
    else:
        output.show(inspect_screens.comparison_screen(run, table))
    if csv is not None:
        output.note(f"{len(table):,} rows written to {csv}")


def show_alerts(settings: Settings, output: Output, zone: int | None, last: int) -> None:
    """Print the latest alerts, of one zone or of all."""
    with open_run(settings) as opened:
        run = load_run(opened.client)
        table = views.alerts(opened.client)
    if output.as_json:
        newest = inspect_screens.newest_alerts(table, zone, last)
        output.documents(alert_documents(newest))
    else:
        output.show(inspect_screens.alerts_screen(run, table, last, zone))
