"""The dataflow: trips -> counts per partition -> hours of the city -> forecasts.

    trips -> count (one key per partition) -> join (one key) -+-> hourly_rides
                                                              |
                               predictions, alerts <- forecast (one key)

Each step is a thin wrapper of a pure class; any number of workers gives the same output.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import Sink

from dataflows.counting import (
    CityHour,
    HourJoiner,
    PartitionCounter,
    PartitionProgress,
    mixed_states,
)
from dataflows.events import ForecastStep
from dataflows.failure import noted
from dataflows.forecasting.engine import ForecastEngine
from dataflows.forecasting.forecasters import model_names
from dataflows.forecasting.guard import FailureLog
from dataflows.metrics import DUPLICATE_TRIPS, FORECAST_DURATION, MODEL_FAILURES, TRIPS_COUNTED
from dataflows.trip_batch import TripBatch
from rushhour.core.hours import DAY_MS, HOUR_MS, to_datetime
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS, TRIPS
from rushhour.core.zones import ZONE_COUNT
from rushhour.runtime.failpoints import reach

_CITY = "city"
_log = logging.getLogger(__name__)


class CountLogic(StatefulBatchLogic[TripBatch, PartitionProgress, PartitionCounter]):
    """Counts one partition of a run that starts at `start_ts` (epoch ms)."""

    def __init__(self, counter: PartitionCounter | None, start_ts: int) -> None:
        self._counter = counter
        self._start_ts = start_ts

    @noted
    def on_batch(self, values: list[TripBatch]) -> tuple[Iterable[PartitionProgress], bool]:
        """Count batches in order.

        Raises
        ------
        EventError
            If trips are missing, or differ from those that the producer has sent.
        """
        out: list[PartitionProgress] = []
        for batch in values:
            if self._counter is None:
                self._counter = PartitionCounter(batch.partition, self._start_ts)
            progress = _count(self._counter, batch)
            if progress is not None:
                out.append(progress)
        return out, self.RETAIN

    def snapshot(self) -> PartitionCounter:
        """Return a copy of the counter."""
        assert self._counter is not None  # Bytewax snapshots a key only after a batch
        return self._counter.snapshot()


def _count(counter: PartitionCounter, batch: TripBatch) -> PartitionProgress | None:
    before = counter.duplicates
    progress = counter.update(batch)
    duplicates = counter.duplicates - before
    TRIPS_COUNTED.inc(len(batch.seq) - duplicates)
    if duplicates:
        DUPLICATE_TRIPS.inc(duplicates)
        _log.warning(
            "partition %d of %s: dropped %d duplicate trips, %d in total",
            batch.partition,
            TRIPS,
            duplicates,
            counter.duplicates,
        )
    return progress


class JoinLogic(StatefulBatchLogic[PartitionProgress, CityHour, HourJoiner]):
    """Closes hours for the city."""

    def __init__(self, joiner: HourJoiner) -> None:
        self._joiner = joiner

    @noted
    def on_batch(self, values: list[PartitionProgress]) -> tuple[Iterable[CityHour], bool]:
        """Add the progress of partitions."""
        return [hour for value in values for hour in self._joiner.update(value)], self.RETAIN

    def snapshot(self) -> HourJoiner:
        """Return a copy of the joiner."""
        return self._joiner.snapshot()


class ForecastLogic(StatefulBatchLogic[CityHour, ForecastStep, ForecastEngine]):
    """Learns each closed hour and forecasts the next."""

    def __init__(self, engine: ForecastEngine) -> None:
        self._engine = engine
        self._day = DayLog()
        self._failure_log = FailureLog()

    @noted
    def on_batch(self, values: list[CityHour]) -> tuple[Iterable[ForecastStep], bool]:
        """Learn and forecast, hour by hour."""
        steps = [self._update(hour) for hour in values]
        failures = self._engine.take_failures()
        for failure in failures:
            MODEL_FAILURES.labels(failure.model).inc()
        self._failure_log.add(failures)
        return steps, self.RETAIN

    def _update(self, hour: CityHour) -> ForecastStep:
        reach("dataflow.hour", hour=hour.hour_ts)
        if self._engine.forecast_ts != (None if hour.rides is None else hour.hour_ts):
            raise mixed_states("the city", hour.hour_ts, self._engine.forecast_ts)
        with FORECAST_DURATION.time():
            if hour.rides is None:
                none = np.full(ZONE_COUNT, np.nan)
                return ForecastStep(None, none, self._engine.predict_all(hour.hour_ts))
            changes = self._engine.learn_one(hour.hour_ts, hour.rides)
            forecast = self._engine.predict_all(hour.hour_ts + HOUR_MS)
        self._day.add(hour.hour_ts, int(hour.rides.sum()), int((~np.isnan(changes)).sum()))
        return ForecastStep(hour.rides, changes, forecast)

    def snapshot(self) -> ForecastEngine:
        """Return a copy of the engine."""
        return self._engine.snapshot()


class DayLog:
    """Logs one line for each simulated day: the hours that this process closed, and their sums."""

    def __init__(self) -> None:
        self._hours = self._rides = self._alerts = 0

    def add(self, hour_ts: int, rides: int, alerts: int) -> None:
        """Add a closed hour; log the day with its last hour."""
        self._hours += 1
        self._rides += rides
        self._alerts += alerts
        if (hour_ts + HOUR_MS) % DAY_MS == 0:
            _log.info(
                "closed %s: %d hours, %d rides, %d alerts",
                to_datetime(hour_ts).date(),
                self._hours,
                self._rides,
                self._alerts,
            )
            self._hours = self._rides = self._alerts = 0


def build_flow(
    source: Source[TripBatch],
    partitions: int,
    start_ts: int,
    sinks: Mapping[str, Sink[Any]],
    begin: Callable[[], ForecastEngine] = ForecastEngine,
) -> Dataflow:
    """Return the dataflow.

    Parameters
    ----------
    source
        The batches of all partitions of `trips`.
    partitions
        Number of these partitions.
    start_ts
        The first hour of the run (epoch ms).
    sinks
        One sink per topic that is written. They receive pairs of a key and an hour: a `CityHour`
        for `hourly_rides`, a `ForecastStep` for `predictions` and `alerts`.
    begin
        Returns the state of the models before the first hour of the run.
    """
    for model in model_names():
        MODEL_FAILURES.labels(model)  # from 0 on, so that its first failure is an increase
    flow = Dataflow("rushhour")
    batches = op.input("trips", flow, source)
    by_partition = op.key_on("by_partition", batches, _partition_key)
    progress = op.stateful_batch("count", by_partition, lambda state: CountLogic(state, start_ts))
    city = op.map("city", progress, _to_city)
    hours = op.stateful_batch(
        "join", city, lambda state: JoinLogic(state or HourJoiner(partitions, start_ts))
    )
    forecasts = op.stateful_batch("forecast", hours, lambda state: ForecastLogic(state or begin()))
    for topic, stream in {HOURLY_RIDES: hours, PREDICTIONS: forecasts, ALERTS: forecasts}.items():
        op.output(topic, stream, sinks[topic])
    return flow


def _partition_key(batch: TripBatch) -> str:
    return str(batch.partition)


def _to_city(keyed: tuple[str, PartitionProgress]) -> tuple[str, PartitionProgress]:
    return _CITY, keyed[1]
