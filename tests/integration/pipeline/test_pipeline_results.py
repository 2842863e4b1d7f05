"""What the pipeline computes from a trip file: every key of Redis is compared with a recount."""

import math
from pathlib import Path

import pytest

from dataflows.forecasting.forecasters import model_names
from rushhour.core.events import direction_of
from rushhour.core.models import SERVED
from rushhour.core.zones import ZONE_IDS, zones
from tests.fixtures.pipeline import ODD_ROWS, Hash, PipelineRunner, RunResult
from tests.fixtures.recount import (
    HALF_DIGIT,
    LAGS,
    LAST_WEEK,
    LEARNED,
    MODELS,
    Recount,
    figure,
    figures_by_zone,
)
from tests.fixtures.trips import TripRow


@pytest.fixture(scope="module")
def recount(rows: list[TripRow]) -> Recount:
    return Recount.of(rows, "2024-10-01 06:00:00", hours=192)


@pytest.fixture(scope="module")
def result(pipeline: PipelineRunner, trip_file: Path) -> RunResult:
    """What a run over eight days left behind."""
    return pipeline(trip_file, ("2024-10-01 06:00", "2024-10-09 05:00"))


def assert_scores(found: Hash, window: int, expected: dict[str, float | None]) -> None:
    for name, value in expected.items():
        field = found[f"{name}_{window}h"]
        if value is None:
            assert field == "n/a", name
        else:
            assert float(field) == pytest.approx(value, abs=HALF_DIGIT), name
            assert field == figure(float(field)), name


@pytest.mark.also_on_kafka
def test_rides_of_every_hour_and_zone_are_those_of_the_file(
    result: RunResult, recount: Recount
) -> None:
    assert recount.rides.sum() > 4_000
    for hour in range(recount.hours):
        expected = {
            str(zone): str(n) for zone, n in zip(ZONE_IDS, recount.rides[hour], strict=True)
        }
        assert result.hash(f"rides:{recount.label(hour)}") == expected


@pytest.mark.also_on_kafka
def test_predictions_of_every_hour_were_made_from_the_hours_before(
    result: RunResult, recount: Recount
) -> None:
    for hour in range(recount.hours + 1):
        label = recount.label(hour)
        assert result.hash(f"predictions:{label}") == figures_by_zone(recount.means[hour])
        assert result.hash(f"medians:{label}") == figures_by_zone(recount.by_model[SERVED][hour])
        assert result.hash(f"lower:{label}") == figures_by_zone(recount.forecasts[hour].lower)
        assert result.hash(f"upper:{label}") == figures_by_zone(recount.forecasts[hour].upper)
        for name in LEARNED[1:]:
            assert result.hash(f"predictions:{name}:{label}") == figures_by_zone(
                recount.by_model[name][hour]
            )
        for name, lag in LAGS.items():
            key = f"predictions:{name}:{label}"
            if hour < lag:
                assert key not in result.keys
            else:
                assert result.hash(key) == figures_by_zone(recount.by_model[name][hour])


def test_alerts_are_those_of_the_forecasting(result: RunResult, recount: Recount) -> None:
    found = {key: value for key, value in result.keys.items() if key.startswith("alerts:")}
    expected = {recount.label(hour): recount.alerts_of(hour) for hour in range(recount.hours)}
    assert found == {f"alerts:{label}": alerts for label, alerts in expected.items() if alerts}
    assert found
    assert result.keys["alerts"] == [
        (
            f"{recount.start + hour * 3_600_000}-{zone}",
            {
                "zone": zone,
                "hour": recount.label(hour),
                "direction": direction_of(float(change)),
                "relative_change": change,
            },
        )
        for hour in range(recount.hours)
        for zone, change in recount.alerts_of(hour).items()
    ]


def test_the_error_of_an_hour_is_predicted_minus_rides(result: RunResult, recount: Recount) -> None:
    for hour in range(recount.hours):
        error = recount.means[hour] - recount.rides[hour]
        assert result.hash(f"errors:{recount.label(hour)}") == figures_by_zone(error)


def test_each_zone_has_its_latest_hour_its_next_and_its_rolling_errors(
    result: RunResult, recount: Recount
) -> None:
    last = recount.hours - 1
    for zone in zones():
        found = result.hash(f"zone:{zone.id}")
        latest, following = recount.forecasts[last], recount.forecasts[last + 1]
        predicted = latest.mean[zone.id - 1]
        rides = recount.rides[last][zone.id - 1]
        names = ("mae", "rmse", "bias", "skill", "coverage")
        scores = {f"{name}_{window}h" for name in names for window in (24, 168)}
        plain = {field: value for field, value in found.items() if field not in scores}
        assert plain == {
            "name": zone.name,
            "borough": zone.borough,
            "hour": recount.label(last),
            "rides": str(rides),
            "prediction": figure(predicted),
            "median": figure(latest.median[zone.id - 1]),
            "lower": figure(latest.lower[zone.id - 1]),
            "upper": figure(latest.upper[zone.id - 1]),
            "error": figure(predicted - rides),
            "next_hour": recount.label(last + 1),
            "next_prediction": figure(following.mean[zone.id - 1]),
            "next_median": figure(following.median[zone.id - 1]),
            "next_lower": figure(following.lower[zone.id - 1]),
            "next_upper": figure(following.upper[zone.id - 1]),
        }
        for window in (24, 168):
            assert_scores(found, window, recount.scores(SERVED, window, zone.id))
            covered = recount.covered(recount.hours - window, zone.id)
            assert found[f"coverage_{window}h"] == figure(covered)


def test_each_model_has_rolling_errors_over_the_city(result: RunResult, recount: Recount) -> None:
    for model in MODELS:
        found = result.hash(f"model:{model}")
        assert found["hour"] == recount.label(recount.hours - 1)
        for window in (24, 168):
            assert_scores(found, window, recount.scores(model, window, None))
            covered = figure(recount.covered(recount.hours - window))
            assert found.get(f"coverage_{window}h") == (covered if model == SERVED else None)
    assert float(result.hash(f"model:{LAST_WEEK}")["skill_24h"]) == 0.0


def test_boards_rank_all_zones_by_demand_and_by_error(result: RunResult, recount: Recount) -> None:
    demand, mae = result.keys["board:rides"], result.keys["board:mae:24h"]
    assert isinstance(demand, list)
    assert isinstance(mae, list)
    latest = recount.rides[-1].tolist()
    assert {int(zone): score for zone, score in demand} == dict(zip(ZONE_IDS, latest, strict=True))
    assert {zone: score for zone, score in mae} == {
        str(zone): float(result.hash(f"zone:{zone}")["mae_24h"]) for zone in ZONE_IDS
    }
    assert [score for _, score in mae] == sorted(score for _, score in mae)


def city_row(recount: Recount, hour: int) -> Hash:
    mean, median, rides = recount.means[hour], recount.by_model[SERVED][hour], recount.rides[hour]
    return {
        "hour": recount.label(hour),
        "rides": str(rides.sum()),
        "prediction": figure(math.fsum(mean)),
        "error": figure(math.fsum(mean - rides)),
        "mae": figure(math.fsum(abs(median - rides)) / len(ZONE_IDS)),
    }


def covered_in(recount: Recount, hour: int) -> str:
    forecast, rides = recount.forecasts[hour], recount.rides[hour]
    return figure(float(((forecast.lower <= rides) & (rides <= forecast.upper)).mean()))


def test_the_city_has_one_entry_an_hour_with_the_hour_as_its_id(
    result: RunResult, recount: Recount
) -> None:
    entries = result.keys["city:hourly"]
    assert isinstance(entries, list)
    ids = [entry_id for entry_id, _ in entries]
    assert ids == [f"{recount.start + hour * 3_600_000}-0" for hour in range(recount.hours)]
    for hour, (_, fields) in enumerate(entries):
        expected = city_row(recount, hour)
        assert fields["hour"] == expected["hour"]
        assert fields["rides"] == expected["rides"]
        assert fields["coverage"] == covered_in(recount, hour)
        for name in ("prediction", "error", "mae"):
            assert float(fields[name]) == pytest.approx(float(expected[name]), abs=1e-4 + 1e-9)
    latest = dict(entries[-1][1])
    total = math.fsum(recount.means[recount.hours])
    city = dict(result.hash("city"))
    assert float(city.pop("next_prediction")) == pytest.approx(total, abs=HALF_DIGIT)
    assert city == latest | {
        "rides_so_far": str(recount.rides.sum()),
        "next_hour": recount.label(recount.hours),
    }


@pytest.mark.also_on_kafka
def test_quality_counts_every_row_of_the_file_and_every_pair(
    result: RunResult, recount: Recount, rows: list[TripRow]
) -> None:
    assert result.hash("quality") == {
        "rows_read": str(len(rows) + len(ODD_ROWS)),
        "trips_usable": str(len(rows)),
        "rejected:null_time": "3",
        "rejected:outside_month": "3",
        "rejected:null_zone": "2",
        "rejected:unknown_zone": "4",
        "hours_closed": "192",
        "rides": str(recount.rides.sum()),
        "pairs_due": str(192 * 265),
        "pairs_scored": str(192 * 265),
        "overlap": "1.0",
        "alerts": str(sum(len(recount.alerts_of(hour)) for hour in range(192))),
    }


def test_the_clock_and_the_run_describe_what_was_replayed(
    result: RunResult, recount: Recount
) -> None:
    end = recount.start + recount.hours * 3_600_000
    assert result.clock.pop("heartbeat_ts")
    assert result.clock == {
        "now": "2024-10-09 06:00",
        "now_ts": str(end),
        "original": "2024-10-09 06:00",
        "original_ts": str(end),
        "speed": "max",
        "state": "finished",
        "trips": str(recount.rides.sum()),
        "command": "0-0",
        "command_error": "",
        "speed_setting": "max",
        "pause_at_ts": "",
        "fast_until_ts": "",
        "start_over_ts": "",
        "results": "[]",
        "commands": "0",
        "repeated": "0",
    }
    assert result.run["run_id"]
    assert result.run["file"].endswith("/nine-days.parquet")
    assert int(result.run["rows"]) > 6_000
    content = {"rows", "size", "sha256", "version"}
    rest = {k: v for k, v in result.run.items() if k not in {"run_id", "file"} | content}
    assert rest == {
        "dataset": "green",
        "month": "2024-10",
        "source": "nine-days.parquet",
        "from": "2024-10-01T06",
        "until": "2024-10-09T05",
        "dataflows": "1",
        "consumers": "1",
        "surge": "",
        "models": ",".join(MODELS),
        "loop_weeks": "0",
        "keep_hours": "",
        "rebase": "",
        "shift_weeks": "0",
        "warm_start": "",
        "warm_sha256": "",
        "warm_hours": "0",
        "warm_origin": "",
        "horizons": "1",
    }
    assert model_names() == MODELS


_OF_THIS_RUN = ("clock", "run", "offsets", "closed", "recovery", "manifest")


@pytest.mark.also_on_kafka
def test_redis_holds_these_keys_and_no_others_as_plain_structures(
    result: RunResult, recount: Recount
) -> None:
    labels = [recount.label(hour) for hour in range(recount.hours)]
    of_this_run = {f"sim:{name}" for name in _OF_THIS_RUN}
    hashes = of_this_run | {"city", "quality", "coverage"}
    hashes |= {f"zone:{zone}" for zone in ZONE_IDS} | {f"model:{name}" for name in MODELS}
    hashes |= {f"alerts:{recount.label(hour)}" for hour in range(192) if recount.alerts_of(hour)}
    hashes |= {f"rides:{label}" for label in labels} | {f"errors:{label}" for label in labels}
    next_too = [*labels, recount.label(recount.hours)]
    hashes |= {
        f"{kind}:{lb}" for kind in ("predictions", "medians", "lower", "upper") for lb in next_too
    }
    hashes |= {f"predictions:{name}:{lb}" for name in LEARNED[1:] for lb in next_too}
    hashes |= {f"predictions:{name}:{lb}" for name, lag in LAGS.items() for lb in next_too[lag:]}
    assert result.types == dict.fromkeys(hashes, "hash") | {
        "board:rides": "zset",
        "board:mae:24h": "zset",
        "city:hourly": "stream",
        "alerts": "stream",
        **{f"sim:epoch:{name}-0": "string" for name in ("producer", "dataflow", "consumer")},
    }
    for key in hashes - of_this_run:
        assert not any(value.startswith(("{", "[", '"')) for value in result.hash(key).values()), (
            key
        )
