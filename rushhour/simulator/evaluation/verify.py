"""Check a run against its files, independently of the processes that made it.

Rides are counted again with one pandas group-by over the raw file, and the forecasters are
replayed offline over those counts. From these follows what every key of the run must hold: the
tables of the closed hours to the last digit, and all figures that are derived from them, which are
computed here in another way than in the consumer. The names of keys, the partitions of zones, and
how a figure is written as text are shared with it; so are the forecasters themselves.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import redis

from dataflows.forecasting.forecasters import model_names
from dataflows.forecasting.state.model_file import engine_of, load_model_of
from producers.month.parquet import content_of
from rushhour.core import keys
from rushhour.core.errors import VerificationError
from rushhour.core.hours import HOURS_PER_DAY
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.labels import progress_label
from rushhour.core.run import RunInfo, TripFile
from rushhour.core.version import VERSION
from rushhour.core.zones import ZONE_COUNT
from rushhour.simulator.evaluation.demand import recount
from rushhour.simulator.evaluation.offline import replay_horizons
from rushhour.simulator.evaluation.verification.check import Check
from rushhour.simulator.evaluation.verification.city import check_city
from rushhour.simulator.evaluation.verification.expected import Expected
from rushhour.simulator.evaluation.verification.positions import check_positions
from rushhour.simulator.evaluation.verification.snapshot import Snapshot
from rushhour.simulator.evaluation.verification.submissions import check_submissions
from rushhour.simulator.evaluation.verification.tables import check_forecasts, check_rides
from rushhour.simulator.evaluation.verification.unknown_keys import check_unknown_keys
from rushhour.simulator.evaluation.verification.zones import check_zones

# Of five years: in memory, and within minutes.
MOST_HOURS = 5 * 366 * HOURS_PER_DAY


def verify(
    client: redis.Redis,
    run: RunInfo,
    files: Sequence[Path],
    cluster: KafkaCluster | None = None,
    warm_start: Path | None = None,
) -> Iterator[Check]:
    """Yield each check of the closed hours as it is done. An unfinished run gets a note.

    Parameters
    ----------
    files
        The trip file of each month, in order; none for synthetic trips.
    cluster
        The Kafka of the run, if it is known and has not ended.
    warm_start
        The saved model that the run began with, if there is one.

    Raises
    ------
    DataError
        If a file cannot be read.
    UsageError
        If the saved model is not that of the run, or cannot be read.
    VerificationError
        If the models of the run are not those of this installation, or a loop has closed more than
        `MOST_HOURS`.
    """
    _check_models(run)
    model = load_model_of(run, warm_start)
    damage: Any = client.hget(keys.RUN, keys.DAMAGE)
    if damage is not None:
        yield Check("every transaction was written as a whole", "fail", damage)
    snapshot = Snapshot.read(client, run)
    hours = snapshot.hours
    yield _progress(run, hours)
    if run.version != VERSION:
        detail = f"rushhour {run.version}, and this is {VERSION}: their results may differ"
        yield Check("the run is of another version", "note", detail)
    if not hours:
        return
    if hours > MOST_HOURS:
        raise VerificationError(
            f"{hours:,} hours are closed: verify replays every hour from the first one, and takes "
            f"at most {MOST_HOURS:,}; `rushhour verify --live` watches a longer loop"
        )
    for expected_file, file in zip(run.trip_files, files, strict=True):
        yield _check_file(run, expected_file, file)
    if run.warm_sha256:
        yield Check("the run began with this saved model", "ok", run.warm_origin)
    # Zones may be ahead of the city. The hour after the last closed one has a forecast only.
    last = int(snapshot.closed_by_zone().max())
    counted = recount(run, files, last if run.loop_ts is not None else run.hours)
    rides = counted.rides.to_numpy(np.int64)
    tables: set[str] = set()
    first = snapshot.first_kept
    yield from check_rides(client, run, rides[:hours], tables, first)
    following = np.zeros((1, ZONE_COUNT), np.int64)
    rides_and_next = np.concatenate([rides[:last], following])
    engine = engine_of(model, run.horizons)
    replayed = replay_horizons(run.start_ts, rides_and_next, run.horizons, engine=engine)
    expected = Expected(run, replayed)
    yield from check_forecasts(client, expected, hours, tables, first)
    yield from check_zones(snapshot, expected)
    yield from check_city(snapshot, expected, counted)
    yield from check_positions(client, snapshot, int(rides.sum()), cluster)
    yield from check_submissions(client, snapshot, expected, tables)
    yield check_unknown_keys(client, run, tables, hours)


def _check_models(run: RunInfo) -> None:
    here = model_names()
    if run.models != here:
        raise VerificationError(
            f"the models of the run ({', '.join(run.models)}) are not those of this installation "
            f"({', '.join(here)}): verify it with the rushhour that made it"
        )


def _check_file(run: RunInfo, known: TripFile, file: Path) -> Check:
    content = content_of(file, run.dataset)
    passed = (content.rows, content.size, content.sha256) == (known.rows, known.size, known.sha256)
    return Check.of(
        "the trip file is that of the run",
        passed,
        f"{file.name}: {content.rows:,} rows, {content.size:,} bytes, sha256 {content.sha256[:12]}"
        + ("" if passed else f" instead of {known.rows:,}, {known.size:,}, {known.sha256[:12]}"),
    )


def _progress(run: RunInfo, hours: int) -> Check:
    count = progress_label(run, hours)
    if run.loop_ts is not None:
        return Check("the run is a loop", "note", f"{count}: those that Redis keeps are compared")
    if hours == run.hours:
        return Check("the run is finished", "ok", count)
    compared = "only these are compared" if hours else "there is nothing to compare yet"
    return Check("the run is unfinished", "note", f"{count}: {compared}")
