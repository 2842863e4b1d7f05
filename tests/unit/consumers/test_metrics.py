"""The metrics are those of docs/reference.md."""

from typing import cast

import pytest
import redis
from prometheus_client import REGISTRY, Metric

from consumers.metrics import EVENTS_READ, SCORE_METRICS, RunCollector
from consumers.rolling import WINDOWS, score_field
from dataflows.metrics import FORECAST_DURATION
from producers.metrics import TRIPS_SENT
from rushhour.core.run import RunInfo
from rushhour.runtime.build_info import BUILD_INFO
from rushhour.runtime.dead_letters import REJECTED
from rushhour.runtime.kafka_watch import KAFKA_UP
from rushhour.runtime.metrics import LAG
from rushhour.runtime.outage import REDIS_UP
from rushhour.runtime.records import FOREIGN_RECORDS

RUN = RunInfo("id", "green", "2024-10", "a", "/a", 0, 3_600_000)
# One of each module that registers metrics.
REGISTERED = (
    BUILD_INFO,
    EVENTS_READ,
    FOREIGN_RECORDS,
    FORECAST_DURATION,
    FOREIGN_RECORDS,
    KAFKA_UP,
    LAG,
    REDIS_UP,
    REJECTED,
    TRIPS_SENT,
)


class FullRedis:
    """A Redis in which every field is 1."""

    def hgetall(self, _: str) -> dict[str, str]:
        fields = ["hours_closed", "overlap", "alerts", "rides", "prediction"]
        fields += [score_field(score, window) for score in SCORE_METRICS for window in WINDOWS]
        return dict.fromkeys(fields, "1")

    def hget(self, _key: str, _field: str) -> None:
        return None

    def get(self, _: str) -> str:
        return "1727740800000"

    def mget(self, names: list[str]) -> list[str]:
        return ["1"] * len(names)

    def xrevrange(self, *_: str, count: int) -> list[tuple[str, dict[str, str]]]:
        return [("3600000-0", {})]


@pytest.fixture(scope="module")
def exported() -> dict[str, Metric]:
    """All metrics of ours, by name."""
    own = {family.name for metric in REGISTERED for family in metric.describe()}
    assert own <= {family.name for family in REGISTRY.collect()}
    run = RunCollector(cast(redis.Redis, FullRedis()), RUN)
    found = {metric.name: metric for metric in (*REGISTRY.collect(), *run.collect())}
    return {name: metric for name, metric in found.items() if name.startswith("rushhour_")}


def test_the_reference_lists_the_exported_metrics(
    exported: dict[str, Metric], documented_metrics: dict[str, set[str]]
) -> None:
    assert set(documented_metrics) == {"producer", "dataflow", "consumer"}
    names = {
        f"{name}_total" if metric.type == "counter" else name for name, metric in exported.items()
    }
    assert names == set.union(*documented_metrics.values())


def test_each_metric_has_a_help_text(exported: dict[str, Metric]) -> None:
    assert [name for name, metric in exported.items() if not metric.documentation] == []
