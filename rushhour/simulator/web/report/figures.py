"""What the report shows, as its script reads it: scores of windows and of zones, and the facts."""

from typing import Any

import msgspec
import redis

from rushhour.core.hours import HOUR_MS
from rushhour.core.labels import closed_label, content_label
from rushhour.core.run import RunInfo
from rushhour.simulator.documents.scores import scores_document
from rushhour.simulator.evaluation.scoring import Evaluation
from rushhour.simulator.run_view import RunView
from rushhour.simulator.web.atlas import atlas
from rushhour.simulator.web.monitoring.monitor import Monitor
from rushhour.simulator.web.reading.history import WINDOWS
from rushhour.simulator.web.reading.run_facts import run_facts

_MOST_ALERTS = 2_000


def report_figures(client: redis.Redis, view: RunView, evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures of the closed hours of a run."""
    monitor = Monitor(hours_at_once=view.run.hours, alerts_shown=_MOST_ALERTS)
    facts = run_facts(view.run, tuple(view.submitted))
    return {
        "run": facts,
        "windows": {window: monitor.read(client, window) for window in WINDOWS},
        "zones": monitor.zones(),
        "scores": msgspec.to_builtins(scores_document(evaluation)),
        "how": _how(view),
        "atlas": msgspec.json.decode(atlas().content),
    }


def _how(view: RunView) -> list[tuple[str, Any]]:
    """Return how the run was done: names and values, which the script formats by their type."""
    run, clock = view.run, view.clock
    return [
        ("trips", run_facts(run, ())["label"]),
        *(("trip file", text) for text in _files(run)),
        ("hours closed", closed_label(run, view.hours_closed)),
        ("rides", f"{view.count('rides'):,}"),
        ("last speed", clock.speed if clock else "-"),
        ("processes", f"1 producer, {run.dataflows} dataflow, {run.consumers} consumer"),
        ("models", ", ".join(run.models)),
        ("models of users", ", ".join(view.submitted) or "none"),
        ("run", run.run_id),
        ("rushhour", run.version),
    ]


def _files(run: RunInfo) -> list[str]:
    if run.synthetic:
        return ["none: the trips are synthetic, made from mean rates"]
    return [f"{file.name}, {content_label(file)}" for file in run.trip_files]


def last_end(view: RunView) -> int:
    """Return the end of the last closed hour (epoch ms)."""
    return view.run.start_ts if view.last_closed_ts is None else view.last_closed_ts + HOUR_MS
