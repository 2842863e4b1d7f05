"""A saved model continues as if it had not been saved, and is refused where it does not fit."""

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dataflows import forecasting
from dataflows.forecasting.engine import ForecastEngine
from dataflows.forecasting.forecasters.city_regression import CityRegression
from dataflows.forecasting.state import model_file
from dataflows.forecasting.state.model_file import (
    Learned,
    SavedModel,
    decode_model,
    encode_model,
    engine_of,
    load_model,
    load_model_of,
)
from rushhour.core.arrays import Counts, Floats
from rushhour.core.errors import UsageError
from rushhour.core.horizons import ONLY_THE_NEXT_HOUR, Horizons
from rushhour.core.hours import HOUR_MS, WEEK_MS, parse_from, parse_until
from rushhour.core.models import SERVED
from rushhour.core.run import RunInfo
from rushhour.core.zones import ZONE_COUNT

START = 1_727_740_800_000  # Tuesday, 2024-10-01 00:00
HOURS, FURTHER = 760, 60
PATH = Path("model.npz")


@cache
def rides() -> Counts:
    """Counts of busy, quiet and always empty zones, with a weekly rhythm."""
    random = np.random.default_rng(3)
    rate = random.gamma(0.4, 15, ZONE_COUNT) * (np.arange(ZONE_COUNT) % 4 > 0)
    hours = np.arange(HOURS + FURTHER)
    rhythm = 1 + 0.6 * np.sin(hours / 24 * 2 * np.pi) + 0.3 * np.sin(hours / 168 * 2 * np.pi)
    return random.poisson(rhythm[:, None] * rate)


def learn(engine: ForecastEngine, first: int, end: int) -> None:
    for hour in range(first, end):
        engine.predict_one(START + hour * HOUR_MS)
        engine.predict_ahead()
        engine.learn_one(START + hour * HOUR_MS, rides()[hour])


@cache
def _every_50(number: int, horizons: Horizons) -> ForecastEngine:
    if not number:
        return ForecastEngine(horizons)
    engine = _every_50(number - 1, horizons).snapshot()
    learn(engine, 50 * (number - 1), 50 * number)
    return engine


def after(hours: int, horizons: Horizons = ONLY_THE_NEXT_HOUR) -> ForecastEngine:
    """Return an engine that has learned so many hours."""
    engine = _every_50(hours // 50, horizons).snapshot()
    learn(engine, hours // 50 * 50, hours)
    return engine


def learned(hours: int, dataset: str = "yellow") -> Learned:
    return Learned(dataset, "made-up rides", START, START + hours * HOUR_MS)


def saved(engine: ForecastEngine, hours: int) -> SavedModel:
    return decode_model(encode_model(engine, learned(hours)), PATH)


def continued(
    engine: ForecastEngine, first: int, count: int = FURTHER, shift_ms: int = 0
) -> list[Floats]:
    """Return all that an engine says of the following hours."""
    found = []
    for hour in range(first, first + count):
        hour_ts = START + hour * HOUR_MS + shift_ms
        for forecast in (engine.predict_one(hour_ts), *engine.predict_ahead().values()):
            found += [*forecast.by_model.values(), forecast.mean]
            found += [forecast.lower, forecast.upper]
        found.append(engine.learn_one(hour_ts, rides()[hour]))
    return found


def assert_same(found: list[Floats], expected: list[Floats]) -> None:
    assert [each.tobytes() for each in found] == [each.tobytes() for each in expected]


@given(st.integers(1, HOURS), st.sampled_from([ONLY_THE_NEXT_HOUR, (1, 2, 30)]))
@example(1, ONLY_THE_NEXT_HOUR)
@example(1, (1, 2, 30))
@example(48, (1, 6))
@example(HOURS, ONLY_THE_NEXT_HOUR)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_model_that_was_saved_after_any_hour_continues_as_if_it_was_not(
    hours: int, horizons: Horizons
) -> None:
    engine = after(hours, horizons)
    model = saved(engine, hours)
    assert_same(continued(engine_of(model), hours), continued(engine, hours))


def test_reading_a_model_does_not_change_it_and_it_can_begin_several_runs() -> None:
    engine = after(30)
    content = encode_model(engine, learned(30))
    model = decode_model(content, PATH)
    first = continued(engine_of(model), 30)
    assert_same(continued(engine_of(model), 30), first)
    assert_same(continued(engine, 30), first)
    assert encode_model(after(30), learned(30)) == content
    assert model.sha256 == hashlib.sha256(content).hexdigest()


def test_a_model_that_goes_back_after_a_failure_does_so_once_it_was_saved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = after(40)
    model = saved(engine, 40)
    whole = CityRegression.predict_many

    def failing_once() -> Callable[..., Floats]:
        calls = iter([True])

        def predict(self: CityRegression, x: Any) -> Floats:
            if next(calls, False):
                raise ArithmeticError("planted")
            return whole(self, x)

        return predict

    monkeypatch.setattr(CityRegression, "predict_many", failing_once())
    expected = continued(engine, 40)
    monkeypatch.setattr(CityRegression, "predict_many", failing_once())
    assert_same(continued(engine_of(model), 40), expected)


@pytest.mark.parametrize("weeks", [-3, 1, 52])
def test_a_run_that_begins_whole_weeks_away_predicts_the_same(weeks: int) -> None:
    """Nothing in the state is at an absolute time. (The fractions of intervals are of the hour.)"""
    model = saved(after(200), 200)
    here, there = (engine_of(model) for _ in range(2))
    for hour in range(200, 230):
        forecasts = []
        for engine, shift in ((here, 0), (there, weeks * WEEK_MS)):
            hour_ts = START + hour * HOUR_MS + shift
            forecasts.append(engine.predict_one(hour_ts))
            engine.learn_one(hour_ts, rides()[hour])
        for name, values in forecasts[0].by_model.items():
            assert values.tobytes() == forecasts[1].by_model[name].tobytes(), name
        assert forecasts[0].mean.tobytes() == forecasts[1].mean.tobytes()


def test_models_know_what_they_have_learned_through_several_runs() -> None:
    first = saved(after(30), 30)
    end = first.next_ts + 10 * HOUR_MS
    second = Learned("yellow", "more rides", first.next_ts, end)
    engine = engine_of(first)
    learn(engine, 30, 40)
    model = decode_model(encode_model(engine, second, first), PATH)
    assert (model.learned, model.hours, model.next_ts) == ((learned(30), second), 40, end)
    assert "more rides, 2024-10-02 06:00 to 2024-10-02 16:00" in model.origin
    assert "after 30 hours of earlier runs (40 hours, rushhour " in model.origin


# Which run a model fits.


@given(hours=st.integers(1, 400), start=st.integers(0, 700))
@settings(max_examples=200, deadline=None)
def test_a_run_begins_at_the_same_hour_of_the_week_or_is_told_how_to(
    hours: int, start: int
) -> None:
    model = _without_engine(hours)
    start_ts = START + start * HOUR_MS
    if (hours - start) % 168 == 0:
        model.check_fits(PATH, "yellow", start_ts)
        return
    with pytest.raises(UsageError, match="same hour of the week") as refused:
        model.check_fits(PATH, "yellow", start_ts)
    text = str(refused.value)
    first = parse_from(text.partition("--from '")[2].partition("'")[0])
    last = parse_until(text.partition("--until '")[2].partition("'")[0])
    assert start_ts < first < start_ts + WEEK_MS
    model.check_fits(PATH, "yellow", first)
    cut = replace_end(model, last + HOUR_MS)
    assert model.next_ts - WEEK_MS < cut.next_ts < model.next_ts
    cut.check_fits(PATH, "yellow", start_ts)


def _without_engine(hours: int) -> SavedModel:
    return SavedModel(ForecastEngine(), (learned(hours),), "0", "0")


def replace_end(model: SavedModel, end_ts: int) -> SavedModel:
    last = model.learned[-1]
    return model._replace(learned=(Learned(last.dataset, last.data, last.start_ts, end_ts),))


def test_a_model_of_other_horizons_is_refused() -> None:
    with pytest.raises(UsageError, match="forecasts the horizons 1, and this run 1,6"):
        _without_engine(24).check_fits(PATH, "yellow", START + 24 * HOUR_MS, (1, 6))


def test_a_model_of_another_dataset_is_refused() -> None:
    with pytest.raises(UsageError, match="has learned yellow, and this run is of green"):
        _without_engine(24).check_fits(PATH, "green", START)


# What is refused.

RUN = RunInfo("id", "yellow", "2024-10", "a.parquet", "/a.parquet", START, START + 30 * HOUR_MS)


@pytest.fixture(scope="module")
def content() -> bytes:
    return encode_model(after(30), learned(30))


def refusal(content: bytes) -> str:
    with pytest.raises(UsageError) as refused:
        decode_model(content, PATH)
    text = str(refused.value)
    assert text.startswith("model.npz ")
    assert "\n" not in text
    return text


def changed(content: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return a file with other entries. Its checksums are right."""
    entries = dict(np.load(io.BytesIO(content)))
    change(entries)
    file = io.BytesIO()
    np.savez(file, **entries)
    return file.getvalue()


def with_header(content: bytes, **changes: Any) -> bytes:
    def change(entries: dict[str, Any]) -> None:
        header = json.loads(entries["header"].tobytes()) | changes
        entries["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)

    return changed(content, change)


def with_array(content: bytes, name: str, change: Callable[[Any], Any]) -> bytes:
    def change_entry(entries: dict[str, Any]) -> None:
        full = next(key for key in entries if key.startswith(name))
        entries[full] = change(entries[full].copy())

    return changed(content, change_entry)


def with_nodes(content: bytes, old: str, new: str) -> bytes:
    def change(entries: dict[str, Any]) -> None:
        text = entries["graph"].tobytes().decode()
        assert old in text
        entries["graph"] = np.frombuffer(text.replace(old, new).encode(), np.uint8)

    return changed(content, change)


def set_first(value: float) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array.flat[0] = value
        return array

    return change


def test_a_file_that_was_only_rewritten_is_read(content: bytes) -> None:
    model = decode_model(changed(content, lambda entries: entries), PATH)
    assert_same(continued(engine_of(model), 30, 3), continued(after(30), 30, 3))


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_file_that_was_cut_or_damaged_is_refused(data: st.DataObject, content: bytes) -> None:
    at = data.draw(st.integers(0, len(content) - 1))
    assert "damaged" in refusal(content[:at])


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_another_byte_is_noticed_or_changes_nothing(data: st.DataObject, content: bytes) -> None:
    """What no checksum covers, such as the dates of the entries, says nothing."""
    at = data.draw(st.integers(0, len(content) - 1))
    other = bytes([content[at] ^ 1 << data.draw(st.integers(0, 7))])
    damaged = content[:at] + other + content[at + 1 :]
    try:
        model = decode_model(damaged, PATH)
    except UsageError:
        return
    assert_same(continued(engine_of(model), 30, 3), continued(after(30), 30, 3))
    run = replace(RUN, warm_sha256=hashlib.sha256(content).hexdigest())
    assert model.sha256 != run.warm_sha256


def test_files_of_other_kinds_are_refused(content: bytes, tmp_path: Path) -> None:
    compressed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    others = io.BytesIO()
    np.savez(others, header=np.zeros(3))
    pickled = changed(content, lambda entries: entries.update(header=np.array([object()])))
    for each in (
        *(b"", b"x", pickle.dumps(after(1)), array.getvalue(), others.getvalue()),
        *(compressed.getvalue(), pickled),
    ):
        assert "is not a saved model, or is damaged" in refusal(each)
    for path, reason in ((tmp_path / "none.npz", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=reason):
            load_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "has format 2, and this rushhour reads format 1"),
        ({"format": None}, "has format None"),
        ({"zones": 263}, "is of 263 zones instead of 265"),
        ({"code": "0" * 64}, "of the forecasters of rushhour "),
        ({"libraries": {"numpy": "1.0", "river": "0.1"}}, "was saved with numpy 1.0, river 0.1"),
        ({"learned": []}, "damaged"),
        ({"learned": [{"dataset": "yellow"}]}, "damaged"),
        ({"more": 1}, "damaged"),
    ],
)
def test_another_header_is_refused(content: bytes, change: dict[str, Any], message: str) -> None:
    assert message in refusal(with_header(content, **change))


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("Mixture._losses", set_first(np.nan), "Mixture._losses is not finite"),
        ("RecentRows._space", set_first(np.inf), "RecentRows._space is not finite"),
        ("Mixture._losses", lambda losses: losses[:, :-1], "Mixture._losses has the shape"),
        ("Mixture._losses", lambda losses: losses[:1], "Mixture._losses has the shape"),
        ("RecentRows._space", np.float32, "an array of float32 with 2 axes instead of"),
        ("ScoreWindow._slots", lambda slots: slots[:-1], "does not hold the state"),
    ],
)
def test_a_state_of_another_form_is_refused(
    content: bytes, name: str, change: Callable[[Any], Any], fault: str
) -> None:
    assert fault in refusal(with_array(content, name, change))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("dataflows.forecasting.mixture.Mixture", "os.system", "does not hold the state"),
        ('"_losses"', '"_lost"', "has other attributes"),
        ('"_failures": {"node": ', '"_failures": {"node": 9', "does not hold the state"),
        ('"class": "dataflows.forecasting.engine.ForecastEngine"', '"list": []', "is a list"),
    ],
)
def test_other_nodes_are_refused(content: bytes, old: str, new: str, fault: str) -> None:
    assert fault in refusal(with_nodes(content, old, new))


def test_a_change_of_the_code_of_the_forecasters_is_noticed(
    content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    room = Path(forecasting.__path__[0])
    for path in room.rglob("*.py"):
        copy = tmp_path / path.relative_to(room)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(forecasting, "__path__", [str(tmp_path)])
    monkeypatch.setattr(model_file, "code_hash", model_file.code_hash.__wrapped__)
    decode_model(content, PATH)
    with (tmp_path / "forecasters" / "base.py").open("a") as file:
        file.write("# changed\n")
    assert "of the forecasters of rushhour" in refusal(content)


def test_a_model_is_saved_between_two_hours_only() -> None:
    engine = after(3)
    engine.predict_one(START + 3 * HOUR_MS)
    with pytest.raises(UsageError, match=r"ForecastEngine\._logged is a tuple instead of None"):
        encode_model(engine, learned(3))


def test_a_state_that_no_file_can_hold_is_refused_when_it_is_saved() -> None:
    engine = after(3)
    engine._mixture._losses = iter([1.0])  # type: ignore[assignment]
    with pytest.raises(UsageError, match=r"cannot be saved: Mixture\._losses"):
        encode_model(engine, learned(3))


# The model of a run.


def test_the_model_of_a_run_is_the_one_with_its_hash(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    model = load_model(path)
    run = replace(RUN, warm_sha256=model.sha256)
    found = load_model_of(run, path)
    assert found is not None
    assert_same(continued(engine_of(found), 30, 3), continued(engine_of(model), 30, 3))

    with pytest.raises(UsageError, match="say where it is with --warm-start"):
        load_model_of(run, None)
    path.write_bytes(encode_model(after(31), learned(31)))
    with pytest.raises(UsageError, match="is another file"):
        load_model_of(run, path)
    with pytest.raises(UsageError, match="the run begins without a saved model"):
        load_model_of(RUN, path)
    assert load_model_of(RUN, None) is None
    new = engine_of(None).predict_one(START).by_model[SERVED]
    assert new.tobytes() == ForecastEngine().predict_one(START).by_model[SERVED].tobytes()
