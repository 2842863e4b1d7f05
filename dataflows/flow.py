"""The dataflow: trips -> counts per partition -> hours of the city -> forecasts.

    trips -> count (one key per partition) -> join (one key) -+-> hourly_rides
                                                              |
                               predictions, alerts <- forecast (one key)

Each step is a small shell around a pure class; any number of workers gives the same output.
"""

import logging
from collections.abc import Iterable, Mapping
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
    TripBatch,
)
from dataflows.events import alert_events, prediction_events, rides_events
from dataflows.forecasting.engine import ForecastEngine
from dataflows.metrics import FORECAST, TRIPS_COUNTED, TRIPS_REPEATED
from rushhour.core.arrays import Floats
from rushhour.core.events import AlertEvent, Prediction
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS
from rushhour.core.zones import ZONE_COUNT

# A forecast, and the relative changes of the zones with drift in the hour before it.
ForecastStep = tuple[Forecast, Floats]

_CITY = "city"
_log = logging.getLogger(__name__)


class CountLogic(StatefulBatchLogic[TripBatch, PartitionProgress, PartitionCounter]):
    """Counts one partition."""

    def __init__(self, counter: PartitionCounter | None) -> None:
        self._counter = counter

    def on_batch(self, values: list[TripBatch]) -> tuple[Iterable[PartitionProgress], bool]:
        """Count batches in order."""
        out: list[PartitionProgress] = []
        for batch in values:
            if self._counter is None:
                self._counter = PartitionCounter(batch.partition)
            before = self._counter.duplicates
            progress = self._counter.update(batch)
            repeated = self._counter.duplicates - before
            TRIPS_COUNTED.inc(len(batch.seq) - repeated)
            if repeated:
                TRIPS_REPEATED.inc(repeated)
                _log.info(
                    "partition %d: dropped %d trips that were sent twice, %d in all",
                    batch.partition,
                    repeated,
                    self._counter.duplicates,
                )
            if progress is not None:
                out.append(progress)
        return out, self.RETAIN

    def snapshot(self) -> PartitionCounter:
        """Return the counter as it stands."""
        assert self._counter is not None  # Bytewax snapshots a key only after a batch
        return self._counter.snapshot()


class JoinLogic(StatefulBatchLogic[PartitionProgress, CityHour, HourJoiner]):
    """Closes hours for the city."""

    def __init__(self, joiner: HourJoiner) -> None:
        self._joiner = joiner

    def on_batch(self, values: list[PartitionProgress]) -> tuple[Iterable[CityHour], bool]:
        """Take in progress of partitions."""
        return [hour for value in values for hour in self._joiner.update(value)], self.RETAIN

    def snapshot(self) -> HourJoiner:
        """Return the joiner as it stands."""
        return self._joiner.snapshot()


class ForecastLogic(StatefulBatchLogic[CityHour, ForecastStep, ForecastEngine]):
    """Learns each closed hour and forecasts the next."""

    def __init__(self, engine: ForecastEngine) -> None:
        self._engine = engine

    def on_batch(self, values: list[CityHour]) -> tuple[Iterable[ForecastStep], bool]:
        """Learn and forecast, hour by hour."""
        return [self._update(hour) for hour in values], self.RETAIN

    def _update(self, hour: CityHour) -> ForecastStep:
        with FORECAST.time():
            if hour.rides is None:
                return self._engine.predict_one(hour.hour_ts), np.full(ZONE_COUNT, np.nan)
            changes = self._engine.learn_one(hour.hour_ts, hour.rides)
            return self._engine.predict_one(hour.hour_ts + HOUR_MS), changes

    def snapshot(self) -> ForecastEngine:
        """Return a copy of the models and their history."""
        return self._engine.snapshot()


def build_flow(
    source: Source[TripBatch],
    partitions: int,
    sinks: Mapping[str, Sink[Any]],
) -> Dataflow:
    """Return the dataflow over a source of `partitions` partitions of trips.

    `sinks` has one for each topic that is written. They receive pairs of a key and a list: the
    events of all zones of one hour; for `alerts`, the alerts of the closed hour and then a tick.
    """
    flow = Dataflow("rushhour")
    batches = op.input("trips", flow, source)
    by_partition = op.key_on("by_partition", batches, _partition_key)
    progress = op.stateful_batch("count", by_partition, CountLogic)
    city = op.map("city", progress, _to_city)
    hours = op.stateful_batch(
        "join", city, lambda state: JoinLogic(state or HourJoiner(partitions))
    )
    forecasts = op.stateful_batch(
        "forecast", hours, lambda state: ForecastLogic(state or ForecastEngine())
    )
    events = {
        HOURLY_RIDES: op.map_value("rides_events", hours, rides_events),
        PREDICTIONS: op.map_value("prediction_events", forecasts, _predictions_of),
        ALERTS: op.map_value("alert_events", forecasts, _alerts_of),
    }
    for topic, stream in events.items():
        op.output(topic, stream, sinks[topic])
    return flow


def _partition_key(batch: TripBatch) -> str:
    return str(batch.partition)


def _to_city(keyed: tuple[str, PartitionProgress]) -> tuple[str, PartitionProgress]:
    return _CITY, keyed[1]


def _predictions_of(step: ForecastStep) -> list[Prediction]:
    forecast, _ = step
    return prediction_events(forecast)


def _alerts_of(step: ForecastStep) -> list[AlertEvent]:
    forecast, relative_changes = step
    return alert_events(forecast.hour_ts, relative_changes)
