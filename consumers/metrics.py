"""What a consumer tells Prometheus: its own work, and the scores that Redis holds."""

from collections.abc import Iterator
from contextlib import suppress

import redis
from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from consumers.rolling_coverage import COVERAGE, WHAT_COVERAGE_IS
from consumers.rolling_errors import SCORES, WINDOWS, score_field
from rushhour.core import keys
from rushhour.core.hours import SECOND_MS
from rushhour.core.run import RunInfo
from rushhour.runtime.redis_client import read_hash
from rushhour.storage.clock import last_hour_closed

EVENTS_READ = Counter("rushhour_events_read", "Events read", ["topic"])
EVENTS_REPEATED = Counter(
    "rushhour_duplicate_events", "Events dropped because an earlier one had said the same"
)
REDIS_WRITE = Histogram(
    "rushhour_redis_write_duration_seconds",
    "Time of one transaction with all that a batch of events brings",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
_RATIOS = frozenset({"skill", COVERAGE})


class RunCollector(Collector):
    """Figures of the whole run, read from Redis at each scrape: every consumer says the same."""

    def __init__(self, client: redis.Redis, run: RunInfo) -> None:
        self._client = client
        self._run = run

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges; those whose figure is not known, or not to be had, are left out."""
        with suppress(redis.RedisError):  # the part itself will say that Redis is gone
            yield from self._of_the_run()
            yield from self._scores()
            yield from self._bands()

    def _of_the_run(self) -> Iterator[GaugeMetricFamily]:
        quality = read_hash(self._client, keys.QUALITY)
        city = read_hash(self._client, keys.CITY)
        yield _gauge("rushhour_hourly_windows_due", "Hours of the run", self._run.hours)
        yield _gauge(
            "rushhour_hourly_windows_closed",
            "Hours counted and scored",
            quality.get("hours_closed", 0),
        )
        closed = last_hour_closed(self._client)
        if closed is not None:
            yield _gauge(
                "rushhour_last_hour_closed_timestamp_seconds",
                "Start of the last closed hour, in event time",
                closed / SECOND_MS,
            )
        if "overlap" in quality:
            yield _gauge("rushhour_overlap_ratio", "Scored pairs by due pairs", quality["overlap"])
            yield _gauge("rushhour_alerts", "Alerts of the run", quality["alerts"])
        if "rides" in city:
            yield _gauge("rushhour_city_rides", "Rides of the last closed hour", city["rides"])
            yield _gauge(
                "rushhour_city_prediction",
                "Rides that were predicted for the last closed hour",
                city["prediction"],
            )

    def _scores(self) -> Iterator[GaugeMetricFamily]:
        by_model = {name: read_hash(self._client, keys.model(name)) for name in self._run.models}
        for score, what in {**SCORES, COVERAGE: WHAT_COVERAGE_IS}.items():
            family = GaugeMetricFamily(metric_name(score), what, labels=["model", "window"])
            for name, fields in by_model.items():
                for window in WINDOWS:
                    value = fields.get(score_field(score, window), keys.NOT_KNOWN)
                    if value != keys.NOT_KNOWN:
                        family.add_metric([name, f"{window}h"], float(value))
            yield family

    def _bands(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "rushhour_band_coverage_ratio",
            "Share of rides within the intervals, last 168 h, by what was predicted",
            labels=["band"],
        )
        for band, share in read_hash(self._client, keys.COVERAGE).items():
            if share != keys.NOT_KNOWN:
                family.add_metric([band], float(share))
        yield family


def metric_name(score: str) -> str:
    """Return the metric of a score, with its unit.

    >>> metric_name("mae"), metric_name("skill")
    ('rushhour_mae_rides', 'rushhour_skill_ratio')
    """
    return f"rushhour_{score}_{'ratio' if score in _RATIOS else 'rides'}"


def _gauge(name: str, what: str, value: float | str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=float(value))
