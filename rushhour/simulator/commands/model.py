"""`rushhour model`: save what the models of a run have learned, or show what a file holds."""

from pathlib import Path

import numpy as np
import redis

from dataflows.forecasting.state.model_file import (
    Learned,
    SavedModel,
    decode_model,
    encode_model,
    engine_of,
    load_model,
    load_model_of,
)
from rushhour.core.arrays import Counts
from rushhour.core.errors import RedisFailure, UsageError
from rushhour.core.hours import HOUR_MS, clock_label, parse_until, to_datetime, weekday_label
from rushhour.core.labels import own_label
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.simulator.commands.checks import cannot_write
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.verify import trip_files
from rushhour.simulator.documents import schema
from rushhour.simulator.evaluation.demand import recount
from rushhour.simulator.evaluation.offline import replay_horizons
from rushhour.simulator.stack.open_run import open_run
from rushhour.simulator.terminal.tables import facts_grid
from rushhour.storage.clock import first_open_hour
from rushhour.storage.read_hours import read_hours
from rushhour.storage.runs import load_run

# Of a year: a loop goes on, and every hour from the first one on has to be learned again.
_MOST_HOURS = 366 * 24


def save_model(
    settings: Settings,
    output: Output,
    path: Path,
    *,
    until: str | None,
    data: Path | None,
    warm_start: Path | None,
) -> None:
    """Save what the models of a run have learned from its closed hours.

    They learn these hours once more, as `verify` does: to the last digit what the run has learned.

    Parameters
    ----------
    until
        The last hour to learn, as `--until` takes it; all closed ones if None.
    data, warm_start
        The trip file and the saved model of the run, if they have moved.

    Raises
    ------
    DataError
        If the trip file is needed and cannot be read.
    RedisFailure
        If there is no run, or no closed hour.
    UsageError
        If the hour is not closed, a file cannot be written, or the saved model that the run began
        with cannot be read.
    """
    with open_run(settings) as opened:
        run = load_run(opened.client)
        model = load_model_of(run, warm_start or (Path(run.warm_start) if run.warm_start else None))
        end_ts = _end_ts(opened.client, run, until)
        rides = _rides(opened.client, run, end_ts, settings, data)
    engine = engine_of(model, run.horizons)
    replay_horizons(run.start_ts, rides, run.horizons, engine=engine)
    learned = Learned(run.dataset, own_label(run), run.start_ts, end_ts)
    write_model(output, path, "FILE", encode_model(engine, learned, model))
    if output.as_json:
        show_model(output, path)


def write_model(output: Output, path: Path, flag: str, content: bytes) -> None:
    """Write the content of a saved model to a file, once it can be read, and say so.

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    model = decode_model(content, path)
    whole = path.with_name(f"{path.name}.tmp")  # a run may begin with the former file meanwhile
    try:
        whole.write_bytes(content)
        whole.replace(path)
    except OSError as error:
        raise cannot_write(path, flag, error) from None
    output.note(
        f"{model.hours:,} hours learned, saved to {path}: it continues on "
        f"{weekday_label(model.next_ts)}"
    )


def show_model(output: Output, path: Path) -> None:
    """Print what a saved model has learned.

    Raises
    ------
    UsageError
        If the file cannot be used.
    """
    model = load_model(path)
    if output.as_json:
        output.document(_document(path, model))
        return
    facts = facts_grid()
    facts.add_row("saved model", str(path))
    facts.add_row("", f"sha256 {model.sha256}")
    for label, span in zip(("learned", *[""] * len(model.learned)), model.learned, strict=False):
        facts.add_row(label, f"{span} ({span.hours:,} hours)")
    facts.add_row("continues", f"on {weekday_label(model.next_ts)}, or whole weeks away from it")
    facts.add_row("saved by", f"rushhour {model.version}")
    output.show(facts)


def _document(path: Path, model: SavedModel) -> schema.Model:
    return schema.Model(
        file=str(path),
        sha256=model.sha256,
        version=model.version,
        dataset=model.learned[-1].dataset,
        origin=model.origin,
        hours=model.hours,
        next_hour=to_datetime(model.next_ts),
        next_ts=model.next_ts,
    )


def _end_ts(client: redis.Redis, run: RunInfo, until: str | None) -> int:
    """Return the end of the hours to learn (epoch ms)."""
    open_ts = first_open_hour(client, run)
    if open_ts == run.start_ts:
        raise RedisFailure("no hour of the run is closed yet: there is nothing to save")
    end_ts = open_ts if until is None else parse_until(until) + HOUR_MS
    if not run.start_ts < end_ts <= open_ts:
        raise UsageError(
            f"until {clock_label(end_ts - HOUR_MS)} is not a closed hour of the run, which are "
            f"{clock_label(run.start_ts)} to {clock_label(open_ts - HOUR_MS)}"
        )
    if end_ts - run.start_ts > _MOST_HOURS * HOUR_MS:
        raise UsageError(
            f"{(end_ts - run.start_ts) // HOUR_MS:,} hours are closed, and at most {_MOST_HOURS:,} "
            "are learned again: choose an earlier last hour with --until"
        )
    return end_ts


def _rides(
    client: redis.Redis, run: RunInfo, end_ts: int, settings: Settings, data: Path | None
) -> Counts:
    """Return the rides of the hours of a run up to `end_ts` (epoch ms), `int64[hours, zones]`.

    They are those of Redis, or of the trip file if Redis keeps the last hours only.
    """
    if run.keep_hours is None:
        hours = range(run.start_ts, end_ts, HOUR_MS)
        tables = read_hours(client, run, hours, models=(), alerts=False)
        rides = np.stack([hour.rides for hour in tables])
        if np.isnan(rides).any():
            raise RedisFailure("rides of closed hours are missing in Redis: see `rushhour verify`")
        return rides.astype(np.int64)
    count = (end_ts - run.start_ts) // HOUR_MS
    counted = recount(run, trip_files(settings, run, data), count)
    return counted.rides.to_numpy(np.int64)
