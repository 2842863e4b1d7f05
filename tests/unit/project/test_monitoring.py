"""The files of deploy/monitoring use only metrics and labels that the processes export."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, cast, get_args

import pytest
import yaml
from prometheus_client import REGISTRY, CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from consumers.metrics import RunCollector
from consumers.rolling import COVERAGE, ERROR_SCORES, WINDOWS, score_field
from dataflows.forecasting.forecasters import model_names
from dataflows.metrics import FORECAST_DURATION
from producers.metrics import TRIPS_SENT
from rushhour.core.clock import State
from rushhour.core.hours import HOUR_MS
from rushhour.core.models import NOMINAL_COVERAGE
from rushhour.core.run import RunInfo
from rushhour.runtime.build_info import BUILD_INFO, export_version
from rushhour.runtime.dead_letters import REJECTED
from rushhour.runtime.kafka_watch import KAFKA_UP
from rushhour.runtime.metrics import LAG
from rushhour.runtime.outage import REDIS_UP
from rushhour.runtime.records import FOREIGN_RECORDS
from rushhour.scoring.bands import BANDS

MONITORING = Path(__file__).parents[3] / "deploy" / "monitoring"
PROVISIONING = MONITORING / "grafana" / "provisioning"


class FakeRedis:
    """A Redis client with a value in every field that a consumer exports."""

    def hgetall(self, _key: str) -> dict[str, str]:
        fields = ["hours_closed", "overlap", "alerts", "rides", "prediction"]
        scores = (*ERROR_SCORES, COVERAGE)
        fields += [score_field(score, window) for score in scores for window in WINDOWS]
        return dict.fromkeys(fields, "1")

    def mget(self, keys: list[str]) -> list[str]:
        return ["1727740800000"] * len(keys)

    def hget(self, *_: str) -> str:
        return "0"

    def xrevrange(self, *_: object, **__: object) -> list[tuple[str, dict[str, str]]]:
        return [("0-0", {})]


def exported() -> CollectorRegistry:
    """The metrics of all processes."""
    run = RunInfo("id", "green", "2024-10", "a", "/a", 0, HOUR_MS, models=model_names())
    # One of each module that registers metrics.
    export_version()
    modules = (
        BUILD_INFO,
        FOREIGN_RECORDS,
        FORECAST_DURATION,
        KAFKA_UP,
        LAG,
        REDIS_UP,
        REJECTED,
        TRIPS_SENT,
    )
    assert {next(iter(metric.describe())).name for metric in modules} <= {
        family.name for family in REGISTRY.collect()
    }
    registry = CollectorRegistry()
    registry.register(RunCollector(cast(Any, FakeRedis()), run))
    registry.register(_Registered())
    return registry


class _Registered(Collector):
    """The metrics of rushhour in the registry of this process."""

    def collect(self) -> Iterator[Metric]:
        return (family for family in REGISTRY.collect() if family.name.startswith("rushhour_"))


@cache
def exported_names() -> set[str]:
    """The names of all samples that the processes export."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
    return {
        family.name + ending
        for family in exported().collect()
        for ending in endings.get(family.type, ("",))
    }


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


CONFIG = read_yaml(MONITORING / "prometheus.yml")
RULES = [rule for group in read_yaml(MONITORING / "rules.yml")["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
DATASOURCE = read_yaml(PROVISIONING / "datasources" / "prometheus.yml")["datasources"][0]
DASHBOARD = json.loads(
    (MONITORING / "grafana" / "dashboards" / "rushhour.json").read_text(encoding="utf-8")
)
ROWS = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
JOBS = {job["job_name"] for job in CONFIG["scrape_configs"]}

# Accepted values of labels.
LABELS = {
    "job": JOBS,
    "model": set(model_names()),
    "band": set(BANDS),
    "window": {f"{hours}h" for hours in WINDOWS},
    "rushhour_clock_state": set(get_args(State)),
}
# Strings, matchers, ranges, variables of Grafana and lists of labels, which hold no metric names.
NO_NAMES = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\$\w+|\b(?:by|without|on|ignoring)\s*\([^)]*\)')
NAME = re.compile(r"(?<![\w.:])[a-zA-Z_:][\w:]*\b(?!\s*\()")
OPERATORS = {"and", "or", "unless"}
# Metrics of every target: its scrapes, and its process (from the client library, on Linux).
OF_PROMETHEUS = {"up", "process_start_time_seconds"}
MATCHER = re.compile(r'(\w+)\s*(?:=|!=|=~|!~)\s*"([^"]*)"')


def names(expr: str) -> set[str]:
    """The metrics in a PromQL expression."""
    return set(NAME.findall(NO_NAMES.sub(" ", expr))) - OPERATORS


def unknown(expr: str) -> set[str]:
    """What an expression uses and no process exports: metrics, and label="value"."""
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    metrics = names(expr) - exported_names() - recorded - OF_PROMETHEUS
    return metrics | {
        f'{label}="{value}"'
        for label, values in MATCHER.findall(expr)
        for value in values.split("|")
        if value not in LABELS.get(label, ())
    }


def by_name(items: list[dict[str, Any]], key: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("item", items, ids=[str(item[key]) for item in items])


def test_the_processes_are_scraped() -> None:
    assert {"producer", "dataflow", "consumer"} == JOBS
    assert CONFIG["rule_files"] == ["rules.yml"]


def test_rules_and_dashboard_use_the_interval_of_the_scrapes() -> None:
    interval = CONFIG["global"]["scrape_interval"]
    assert CONFIG["global"]["evaluation_interval"] == interval
    assert DATASOURCE["jsonData"]["timeInterval"] == interval
    assert DASHBOARD["refresh"] == interval


def test_rules_use_exported_metrics() -> None:
    assert [unknown(rule["expr"]) for rule in RULES] == [set()] * len(RULES)
    assert all(names(rule["expr"]) for rule in RULES)


@by_name(ALERTS, "alert")
def test_an_alert_has_a_summary_a_description_and_a_severity(item: dict[str, Any]) -> None:
    assert item["annotations"]["summary"]
    assert item["annotations"]["description"]
    assert item["labels"]["severity"] in {"critical", "warning"}


def test_every_alert_is_tested_firing_and_silent() -> None:
    checks = list(
        chain.from_iterable(
            test.get("alert_rule_test", ())
            for test in read_yaml(MONITORING / "rules_test.yml")["tests"]
        )
    )
    alerts = {rule["alert"] for rule in ALERTS}
    assert {check["alertname"] for check in checks if check.get("exp_alerts")} == alerts
    assert {check["alertname"] for check in checks if not check.get("exp_alerts")} == alerts


needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool, of Prometheus"
)


@needs_promtool
@pytest.mark.parametrize(
    "command", ["check config prometheus.yml", "check rules rules.yml", "test rules rules_test.yml"]
)
def test_promtool_accepts_rules_and_configuration(command: str) -> None:
    done = subprocess.run(
        ["promtool", *command.split()], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def check_metrics(text: bytes) -> str:
    """Return what promtool finds wrong with metrics; empty if nothing."""
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode == 0) == (not done.stdout + done.stderr)
    return (done.stdout + done.stderr).decode()


@needs_promtool
def test_the_metrics_follow_the_conventions_of_prometheus() -> None:
    text = generate_latest(exported())
    assert b'rushhour_mae_rides{model="mixture",window="24h"} 1.0' in text
    assert b"rushhour_build_info{version=" in text
    assert check_metrics(text) == ""


@needs_promtool
@pytest.mark.parametrize("name", ["rushhour_hours_closed", "rushhour_trips_total"])
def test_a_name_against_the_conventions_is_caught(name: str) -> None:
    assert name in check_metrics(f"# HELP {name} A gauge\n# TYPE {name} gauge\n{name} 1\n".encode())


def test_the_dashboard_has_its_rows() -> None:
    assert DASHBOARD["uid"] == "rushhour"
    assert [row["title"] for row in ROWS] == ["Operations", "Model"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@by_name(PANELS, "title")
def test_a_panel_has_title_description_unit_and_legend(item: dict[str, Any]) -> None:
    assert item["title"]
    assert re.fullmatch(r"[A-Z][^.]*(\.\d[^.]*)*\.", item["description"])
    assert item["fieldConfig"]["defaults"]["unit"]
    assert all(target["legendFormat"] for target in item["targets"])


@by_name(PANELS, "title")
def test_a_panel_queries_exported_metrics_of_the_provisioned_source(item: dict[str, Any]) -> None:
    source = {"type": DATASOURCE["type"], "uid": DATASOURCE["uid"]}
    assert item["datasource"] == source
    assert item["targets"]
    for target in item["targets"]:
        assert target["datasource"] == source
        assert names(target["expr"])
        assert unknown(target["expr"]) == set()


@by_name([panel for panel in PANELS if "coverage" in str(panel["targets"])], "title")
def test_coverage_is_shown_beside_its_target(item: dict[str, Any]) -> None:
    shown = item["fieldConfig"]["defaults"]
    assert shown["custom"]["thresholdsStyle"]["mode"] == "line"
    assert [step["value"] for step in shown["thresholds"]["steps"]] == [None, NOMINAL_COVERAGE]


def test_coverage_and_alerts_are_on_the_dashboard() -> None:
    asked = set.union(*(names(target["expr"]) for panel in PANELS for target in panel["targets"]))
    assert {"rushhour_coverage_ratio", "rushhour_band_coverage_ratio", "rushhour_alerts"} <= asked


def test_the_dashboard_is_provisioned() -> None:
    providers = read_yaml(PROVISIONING / "dashboards" / "rushhour.yml")["providers"]
    assert [provider["type"] for provider in providers] == ["file"]


@pytest.mark.parametrize(
    ("expr", "caught"),
    [
        ("max(rushhour_trips_sent)", {"rushhour_trips_sent"}),
        (
            "up == 1 unless on (job) rushhour_hour_due > 0.5",
            {"rushhour_hour_due"},
        ),
        (
            "sum(rate(rushhour_forecast_duration_seconds_buckets[$__rate_interval])) * 1e3",
            {"rushhour_forecast_duration_seconds_buckets"},
        ),
        (
            'rushhour_mae_rides{model="last_hours", window=~"24h|7d"}',
            {'model="last_hours"', 'window="7d"'},
        ),
        ('rushhour_band_coverage_ratio{band="1-4"}', {'band="1-4"'}),
        ('rushhour_mae_rides{modell="last_hour"}', {'modell="last_hour"'}),
        (
            'rushhour_clock_state{rushhour_clock_state=~"running|paused"} and up{job="redis"}',
            {'job="redis"'},
        ),
        (
            "rushhour:process_expected or rushhour_trips_sent_total >= rushhour_alerts",
            set(),
        ),
    ],
)
def test_a_planted_mistake_is_caught(expr: str, caught: set[str]) -> None:
    assert unknown(expr) == caught
