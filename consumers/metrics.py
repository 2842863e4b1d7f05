"""Metrics of a consumer: its own work, and the figures of the run that Redis holds."""

from collections.abc import Iterator
from contextlib import suppress
from typing import cast

import redis
from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from consumers.rolling import COVERAGE, WINDOWS, WIS, score_field
from rushhour.core import keys
from rushhour.core.hours import SECOND_MS
from rushhour.core.run import RunInfo
from rushhour.runtime.redis_client import read_hash
from rushhour.storage.clock import last_hour_closed
from rushhour.storage.submissions import submitted_models

EVENTS_READ = Counter("rushhour_events_read", "Events read", ["topic"])
DUPLICATE_EVENTS = Counter(
    "rushhour_duplicate_events", "Events dropped because this consumer had them already"
)
REDIS_WRITE = Histogram(
    "rushhour_redis_write_duration_seconds",
    "Duration of the transaction that writes everything a batch of events completes",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)

# Rolling scores of models: name in Redis -> metric, what it is.
SCORE_METRICS = {
    "mae": ("rushhour_mae_rides", "Mean absolute error, rides per hour"),
    "rmse": ("rushhour_rmse_rides", "Root mean squared error, rides per hour"),
    "bias": ("rushhour_bias_rides", "Mean of predicted minus actual rides per hour"),
    "deviance": ("rushhour_deviance", "Mean Poisson deviance"),
    "skill": ("rushhour_skill_ratio", "1 - MAE / MAE of the same hour last week"),
    COVERAGE: ("rushhour_coverage_ratio", "Share of rides within the intervals"),
    WIS: ("rushhour_wis_rides", "Weighted interval score, rides per hour"),
}

# Users name their models, and submit as many as they like: of these, the first ones are exported.
MOST_SUBMITTED = 20
SUBMITTED = "submitted:"  # before the names of users' models: no model of ours has a colon


class RunCollector(Collector):
    """Figures of the whole run, read from Redis at each scrape: the same in every consumer."""

    def __init__(self, client: redis.Redis, run: RunInfo) -> None:
        self._client = client
        self._run = run

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges whose figures are known; none while Redis is unavailable."""
        with suppress(redis.RedisError):  # the process itself reports that
            yield from self._progress()
            yield self._leases()
            yield from self._scores()
            yield from self._bands()

    def _progress(self) -> Iterator[GaugeMetricFamily]:
        quality = read_hash(self._client, keys.QUALITY)
        city = read_hash(self._client, keys.CITY)
        hours_closed = int(quality.get("hours_closed", 0))
        # A loop has no end: it is never finished.
        due = self._run.hours if self._run.loop_ts is None else hours_closed + 1
        yield _gauge("rushhour_hourly_windows_due", "Hours of the run", due)
        yield _gauge("rushhour_hourly_windows_closed", "Hours closed and scored", hours_closed)
        closed = last_hour_closed(self._client)
        if closed is not None:
            yield _gauge(
                "rushhour_last_hour_closed_timestamp_seconds",
                "Start of the last closed hour, in event time",
                closed / SECOND_MS,
            )
        if "overlap" in quality:
            overlap = quality["overlap"]
            yield _gauge("rushhour_overlap_ratio", "Scored pairs divided by due pairs", overlap)
            yield _gauge("rushhour_alerts", "Alerts of the run", quality["alerts"])
        if "rides" in city:
            yield _gauge("rushhour_city_rides", "Rides of the last closed hour", city["rides"])
            yield _gauge(
                "rushhour_city_prediction",
                "Predicted rides of the last closed hour",
                city["prediction"],
            )

    def _leases(self) -> GaugeMetricFamily:
        """Tell when each process took its lease: its epoch is that time."""
        family = GaugeMetricFamily(
            "rushhour_lease_taken_timestamp_seconds",
            "When the process took its lease",
            labels=["process"],
        )
        processes = self._run.processes
        epochs = cast(list[str | None], self._client.mget(list(map(keys.epoch, processes))))
        for process, epoch in zip(processes, epochs, strict=True):
            if epoch is not None and epoch.isdecimal():
                family.add_metric([process], int(epoch) / SECOND_MS)
        return family

    def _scores(self) -> Iterator[GaugeMetricFamily]:
        by_model = {name: read_hash(self._client, keys.model(name)) for name in self._run.models}
        for name in submitted_models(self._client)[:MOST_SUBMITTED]:
            by_model[SUBMITTED + name] = read_hash(self._client, keys.submitted_model(name))
        for score, (metric, what) in SCORE_METRICS.items():
            family = GaugeMetricFamily(metric, what, labels=["model", "window"])
            for name, fields in by_model.items():
                for window in WINDOWS:
                    value = fields.get(score_field(score, window), keys.NOT_KNOWN)
                    if value != keys.NOT_KNOWN:
                        family.add_metric([name, f"{window}h"], float(value))
            yield family

    def _bands(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "rushhour_band_coverage_ratio",
            "Share of rides within the intervals, last 168 h, by predicted rides",
            labels=["band"],
        )
        for band, share in read_hash(self._client, keys.COVERAGE).items():
            if share != keys.NOT_KNOWN:
                family.add_metric([band], float(share))
        yield family


_exported: list[RunCollector] = []


def export_run(client: redis.Redis, run: RunInfo) -> None:
    """Export the figures of a run from now on, instead of those of an earlier call."""
    while _exported:
        REGISTRY.unregister(_exported.pop())
    _exported.append(RunCollector(client, run))
    REGISTRY.register(_exported[0])


def _gauge(name: str, what: str, value: float | str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=float(value))
