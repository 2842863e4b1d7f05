"""The facts of a run that a page shows around its figures: `GET /api/run`."""

from collections.abc import Sequence
from typing import Any

import redis

from rushhour.core.hours import HOUR_MS
from rushhour.core.labels import source_label, what_if
from rushhour.core.models import BASELINES
from rushhour.core.run import RunInfo
from rushhour.core.zones import ZONE_COUNT
from rushhour.storage.clock import load_status
from rushhour.storage.runs import load_run
from rushhour.storage.submissions import submitted_models


def read_run_facts(client: redis.Redis) -> dict[str, Any]:
    """Return the facts of the run that Redis holds, and the state of its clock.

    Raises
    ------
    RedisFailure
        If Redis holds no run.
    """
    run = load_run(client)
    status = load_status(client)
    return run_facts(run, submitted_models(client)) | {
        "state": "starting" if status is None else status.state
    }


def run_facts(run: RunInfo, submitted: Sequence[str]) -> dict[str, Any]:
    """Return the facts of a run; `submitted` are the models of users.

    `first_ts` and `last_ts` are the starts of its first and last hour, epoch ms; in a loop they and
    `hours` are those of the first pass. `keep_hours` is how many closed hours can be read; None for
    all.
    """
    return {
        "run_id": run.run_id,
        "label": source_label(run),
        "dataset": run.dataset,
        "month": run.month,
        "source": run.source,
        "synthetic": run.synthetic,
        "what_if": what_if(run),
        "first_ts": run.start_ts,
        "last_ts": run.first_pass_end_ts - HOUR_MS,
        "hours": (run.first_pass_end_ts - run.start_ts) // HOUR_MS,
        "loop": run.loop_ts is not None,
        "keep_hours": run.keep_hours,
        "zone_count": ZONE_COUNT,
        "version": run.version,
        "models": {
            "served": run.models[0] if run.models else None,
            "challengers": [name for name in run.models[1:] if name not in BASELINES],
            "baselines": [name for name in run.models[1:] if name in BASELINES],
            "submitted": list(submitted),
        },
    }
