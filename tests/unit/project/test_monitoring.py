"""The files in deploy/monitoring name what the parts export; here they are held to it."""

import json
import re
import shutil
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any, cast, get_args

import pytest
import yaml
from prometheus_client import REGISTRY

from consumers.metrics import RunCollector
from consumers.rolling_errors import WINDOWS
from dataflows.forecasting.forecasters import model_names
from dataflows.metrics import FORECAST_DURATION
from producers.metrics import TRIPS_SENT
from rushhour.core.clock import State
from rushhour.core.hours import HOUR_MS
from rushhour.core.models import NOMINAL_COVERAGE
from rushhour.core.run import RunInfo
from rushhour.runtime.metrics import LAG
from rushhour.scoring.bands import BANDS

MONITORING = Path(__file__).parents[3] / "deploy" / "monitoring"
PROVISIONING = MONITORING / "grafana" / "provisioning"


class SomeRun:
    """Enough of a Redis client for the figures that consumers read from there."""

    def hgetall(self, key: str) -> dict[str, str]:
        return dict.fromkeys(("hours_closed", "overlap", "alerts", "rides", "prediction"), "1")

    def hget(self, key: str, field: str) -> str:
        return "0"


def exported_names() -> set[str]:
    """The names of all samples that the parts export."""
    run = RunInfo("id", "green", "2024-10", "a.parquet", "/a.parquet", 0, HOUR_MS)
    of_the_run = RunCollector(cast(Any, SomeRun()), run)
    own = [family for family in REGISTRY.collect() if family.name.startswith("rushhour_")]
    for metric in (
        LAG,
        FORECAST_DURATION,
        TRIPS_SENT,
    ):  # one of each module that fills the registry
        assert next(iter(metric.describe())).name in {family.name for family in own}
    found: set[str] = set()
    for family in (*own, *of_the_run.collect()):
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
        found |= {family.name + ending for ending in endings.get(family.type, ("",))}
    return found


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

# What a label may be compared with.
LABELS = {
    "job": JOBS,
    "model": set(model_names()),
    "band": set(BANDS),
    "window": {f"{hours}h" for hours in WINDOWS},
    "rushhour_clock_state": set(get_args(State)),
}
# Strings, matchers, ranges, Grafana's variables and lists of labels: no metric is named there.
NO_NAMES = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\$\w+|\b(?:by|without|on|ignoring)\s*\([^)]*\)')
NAME = re.compile(r"(?<![\w.:])[a-zA-Z_:][\w:]*\b(?!\s*\()")
OPERATORS = {"and", "or", "unless"}
MATCHER = re.compile(r'(\w+)\s*(?:=|!=|=~|!~)\s*"([^"]*)"')


def names(expr: str) -> set[str]:
    """The metrics that a PromQL expression asks for."""
    return set(NAME.findall(NO_NAMES.sub(" ", expr))) - OPERATORS


def unknown(expr: str) -> set[str]:
    """What an expression names and nobody exports: metrics, and label="value"."""
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    metrics = names(expr) - exported_names() - recorded - {"up"}
    return metrics | {
        f'{label}="{value}"'
        for label, values in MATCHER.findall(expr)
        for value in values.split("|")
        if value not in LABELS.get(label, ())
    }


def by_name(items: list[dict[str, Any]], key: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("item", items, ids=[str(item[key]) for item in items])


def test_the_parts_are_scraped() -> None:
    assert {"producer", "dataflow", "consumer"} == JOBS
    assert CONFIG["rule_files"] == ["rules.yml"]


def test_everything_keeps_the_pace_of_the_scrapes() -> None:
    pace = CONFIG["global"]["scrape_interval"]
    assert CONFIG["global"]["evaluation_interval"] == pace
    assert DATASOURCE["jsonData"]["timeInterval"] == pace
    assert DASHBOARD["refresh"] == pace


def test_rules_name_what_is_exported() -> None:
    assert [unknown(rule["expr"]) for rule in RULES] == [set()] * len(RULES)
    assert all(names(rule["expr"]) for rule in RULES)


@by_name(ALERTS, "alert")
def test_an_alert_says_what_is_wrong_and_what_to_do(item: dict[str, Any]) -> None:
    assert item["annotations"]["summary"]
    assert item["annotations"]["description"]
    assert item["labels"]["severity"] in {"critical", "warning"}


def test_every_alert_has_been_seen_to_fire_and_to_be_silent() -> None:
    checks = list(
        chain.from_iterable(
            test.get("alert_rule_test", ())
            for test in read_yaml(MONITORING / "rules_test.yml")["tests"]
        )
    )
    alerts = {rule["alert"] for rule in ALERTS}
    assert {check["alertname"] for check in checks if check.get("exp_alerts")} == alerts
    assert {check["alertname"] for check in checks if not check.get("exp_alerts")} == alerts


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Prometheus")
@pytest.mark.parametrize(
    "command", ["check config prometheus.yml", "check rules rules.yml", "test rules rules_test.yml"]
)
def test_promtool_agrees(command: str) -> None:
    done = subprocess.run(
        ["promtool", *command.split()], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_has_its_rows() -> None:
    assert DASHBOARD["uid"] == "rushhour"
    assert [row["title"] for row in ROWS] == ["Operations", "Model"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_no_panel_lies_on_another() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@by_name(PANELS, "title")
def test_a_panel_explains_itself(item: dict[str, Any]) -> None:
    assert item["title"]
    assert re.fullmatch(r"[A-Z][^.]*(\.\d[^.]*)*\.", item["description"])
    assert item["fieldConfig"]["defaults"]["unit"]
    assert all(target["legendFormat"] for target in item["targets"])


@by_name(PANELS, "title")
def test_a_panel_asks_the_provisioned_source_for_what_is_exported(item: dict[str, Any]) -> None:
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
    assert {"rushhour_coverage", "rushhour_band_coverage", "rushhour_alerts"} <= asked


def test_a_dashboard_provider_is_there() -> None:
    providers = read_yaml(PROVISIONING / "dashboards" / "rushhour.yml")["providers"]
    assert [provider["type"] for provider in providers] == ["file"]


@pytest.mark.parametrize(
    ("expr", "caught"),
    [
        ("max(rushhour_trips_sent)", {"rushhour_trips_sent"}),
        ("up == 1 unless on (job) rushhour_hours_duo > 0.5", {"rushhour_hours_duo"}),
        (
            "sum by (le) (rate(rushhour_forecast_seconds_buckets[$__rate_interval])) * 1e3",
            {"rushhour_forecast_seconds_buckets"},
        ),
        (
            'rushhour_mae{model="last_hours", window=~"24h|7d"}',
            {'model="last_hours"', 'window="7d"'},
        ),
        ('rushhour_band_coverage{band="1-4"}', {'band="1-4"'}),
        ('rushhour_mae{modell="last_hour"}', {'modell="last_hour"'}),
        (
            'rushhour_clock_state{rushhour_clock_state=~"running|paused"} and up{job="redis"}',
            {'job="redis"'},
        ),
        ("rushhour:part_expected or rushhour_hours_closed >= rushhour_hours_due", set()),
    ],
)
def test_a_planted_mistake_is_caught(expr: str, caught: set[str]) -> None:
    assert unknown(expr) == caught
