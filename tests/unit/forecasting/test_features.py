import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.forecasting.features import (
    HOUR_OF_DAY,
    MODEL_FEATURES,
    RIDES_LAST_HOUR,
    RIDES_LAST_WEEK,
    RIDES_YESTERDAY,
    USUAL_RIDES,
    Features,
    RideHistory,
)
from rushhour.core.hours import HOUR_MS, hour_of_week
from rushhour.core.zones import ZONE_COUNT

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

START = 1_727_740_800_000  # 2024-10-01 00:00, a Tuesday
RAW = (RIDES_LAST_HOUR, RIDES_YESTERDAY, RIDES_LAST_WEEK)
MEMORY = 4 * 168 + 1


def poisson(hours: int, seed: int, mean: float = 5.0) -> Counts:
    return np.random.default_rng(seed).poisson(mean, (hours, ZONE_COUNT))


def history_of(rides: Counts) -> RideHistory:
    history = RideHistory()
    for hour in rides:
        history.append(hour)
    return history


def squares(hours: int, power: int = 1) -> RideHistory:
    """A history whose root counts are 1, 2, 3, ..., or a power of them, in each zone."""
    column = np.arange(1, hours + 1, dtype=np.int64) ** (2 * power)
    return history_of(np.repeat(column[:, None], ZONE_COUNT, axis=1))


def table(x: Features) -> Floats:
    return x.matrix(list(x))


def table_of(rides: Counts, first: int = 0) -> Floats:
    """The features of each hour from `first` on, and of the hour after the last."""
    history = history_of(rides[:first])
    out = [table(history.features(START + first * HOUR_MS))]
    for i, hour in enumerate(rides[first:], first + 1):
        history.append(hour)
        out.append(table(history.features(START + i * HOUR_MS)))
    return np.stack(out)


def features_at(history: RideHistory, hour_ts: int) -> dict[str, float]:
    """The features of a zone of a history that is the same for all zones."""
    x = history.features(hour_ts)
    rows = table(x).round(8)
    assert np.array_equal(rows, rows[[0] * ZONE_COUNT], equal_nan=True)
    return dict(zip(x, rows[0].tolist(), strict=True))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.data())
def test_features_do_not_depend_on_their_hour_or_later_ones(
    seed: int, hours: int, data: st.DataObject
) -> None:
    changed = data.draw(st.integers(0, hours - 1))
    rides = poisson(hours, seed)
    other = rides.copy()
    other[changed:] += np.random.default_rng(seed + 1).integers(1, 50, other[changed:].shape)
    before, after = table_of(rides), table_of(other)
    assert np.array_equal(before[: changed + 1], after[: changed + 1], equal_nan=True)
    # The test can fail: the features of the next hour do depend on it.
    assert not np.array_equal(before[changed + 1], after[changed + 1], equal_nan=True)


def test_features_do_not_depend_on_their_hour_with_a_full_history_either() -> None:
    rides = poisson(MEMORY + 3, 1)
    other = rides.copy()
    other[-1] += 7
    before, after = table_of(rides, MEMORY), table_of(other, MEMORY)
    assert np.array_equal(before[:-1], after[:-1], equal_nan=True)
    assert not np.array_equal(before[-1], after[-1])


def test_features_have_their_columns_and_no_gap_at_any_length() -> None:
    around = (0, 24, 48, 168, 336, MEMORY)  # where a fallback ends, or the history is full
    history = RideHistory()
    for hours, rides in enumerate(poisson(MEMORY + 30, 8)):
        if min(abs(hours - edge) for edge in around) <= 2:
            x = history.features(START + hours * HOUR_MS)
            assert list(x) == [*MODEL_FEATURES, USUAL_RIDES, HOUR_OF_DAY, *RAW]
            assert set(x[HOUR_OF_DAY].tolist()) == {hours % 24}
            assert x.matrix(MODEL_FEATURES).shape == (ZONE_COUNT, len(MODEL_FEATURES))
            assert np.isfinite(x.matrix(MODEL_FEATURES)).all()
            assert len(history) == min(hours, MEMORY)
        history.append(rides)


@pytest.mark.parametrize(
    ("column", "back"), [(RIDES_LAST_HOUR, 1), (RIDES_YESTERDAY, 24), (RIDES_LAST_WEEK, 168)]
)
def test_the_raw_counts_are_those_of_their_hour_or_nan(column: str, back: int) -> None:
    rides = poisson(172, 3, mean=300)
    rides[:, 4] = 10**12  # root and square must not lose a digit
    history = RideHistory()
    for i in range(172):
        values = history.features(START + i * HOUR_MS)[column]
        if i < back:
            assert np.isnan(values).all()
        else:
            assert np.array_equal(values, rides[i - back])
        history.append(rides[i])


@pytest.mark.parametrize("power", [1, 2])  # with 1, all steps and all residuals are alike
def test_lags_and_means_of_a_simple_history_are_exact(power: int) -> None:
    wednesday = START + 200 * HOUR_MS
    assert hour_of_week(wednesday) == 2 * 24 + 8

    def root(*hours: int) -> float:  # the first hour is 1, the last 200
        return float(np.mean([hour**power for hour in hours]))

    def residual(*hours: int) -> float:
        return float(np.mean([root(hour) - root(hour - 168) for hour in hours]))

    of_hour = 0.0
    for hour in range(33, 178, 24):  # in the first week, residuals are from the mean of past days
        past = root(hour - 168) if hour > 168 else root(*range(hour - 24, 0, -24))
        of_hour += 0.2 * (root(hour) - past - of_hour)
    # Tue 8, Mon 7, Fri 4, Thu 3, Wed 2 and Tue 1; not Sun 6 and Sat 5
    same_type = (177, 153, 81, 57, 33, 9)
    found = features_at(squares(200, power), wednesday)
    assert found.pop(USUAL_RIDES) > 0  # see test_calibrated_mean
    assert found == pytest.approx(
        {
            "constant": 1,
            "lag_1": root(200),
            "lag_24": root(177),
            "lag_168": root(33),
            "mean_past_weeks": root(33),
            "residual_2": residual(199),
            "residual_24h": residual(*range(177, 201)),
            "residual_of_hour": of_hour,
            "city_residual": residual(200) * root(*range(33, 201)),
            "expected_step": root(33) - root(32),
            "expected_step_day_type": root(*same_type) - root(*(hour - 1 for hour in same_type)),
            "next_past_weeks": root(34),
            "next_day_type": root(*(hour + 1 for hour in same_type)),
            # all zones vary together: smoothing and shrinking change nothing; yesterday is by far
            # the most similar day, for root counts grow with the hours
            "smooth_continuation": root(200) + root(177) - root(176),
            "smooth_past_weeks": root(33),
            "smooth_similar_days": root(177),
            HOUR_OF_DAY: 8,
            RIDES_LAST_HOUR: root(200) ** 2,
            RIDES_YESTERDAY: root(177) ** 2,
            RIDES_LAST_WEEK: root(33) ** 2,
        }
    )


def test_weekdays_and_weekends_are_distinguished() -> None:
    saturday = START + 4 * 24 * HOUR_MS
    found = features_at(squares(200), saturday)
    # Of the days before, only those 6 and 7 days back were a Sunday and a Saturday.
    assert found["next_day_type"] == pytest.approx(np.mean([58, 34]))


def test_past_weeks_are_four() -> None:
    history = squares(700)
    found = features_at(history, START)
    assert found["mean_past_weeks"] == pytest.approx(np.mean([533, 365, 197, 29]))
    assert found["lag_168"] == 533
    for i in range(701, 851):  # a fifth week begins, and the first is forgotten
        history.append(np.full(ZONE_COUNT, i**2))
    longer = features_at(history, START)
    assert longer["mean_past_weeks"] == pytest.approx(np.mean([683, 515, 347, 179]))


def test_before_the_first_hour_all_features_but_the_constant_are_zero() -> None:
    found = features_at(RideHistory(), START)
    assert found.pop("constant") == 1
    assert all(found[name] == 0 for name in MODEL_FEATURES[1:])


def test_a_short_history_falls_back_from_weeks_to_days_to_the_last_hour() -> None:
    one = features_at(squares(1), START)
    assert (one["lag_24"], one["lag_168"], one["mean_past_weeks"]) == (1, 1, 1)
    assert (one["next_past_weeks"], one["next_day_type"], one["smooth_similar_days"]) == (1, 1, 1)
    two_days = features_at(squares(48), START)
    assert (two_days["lag_24"], two_days["lag_168"], two_days["mean_past_weeks"]) == (25, 13, 13)
    assert two_days["next_past_weeks"] == 26  # the hour after that of yesterday


def test_the_first_day_has_no_residuals() -> None:
    found = features_at(history_of(poisson(24, 1)[:, :1].repeat(ZONE_COUNT, 1)), START)
    residuals = [name for name in found if "residual" in name]
    assert len(residuals) == 4
    assert {found[name] for name in residuals} == {0.0}


def test_the_citys_residual_is_the_weighted_mean_times_each_zones_mean() -> None:
    rides = np.zeros((400, ZONE_COUNT), np.int64)
    rides[:, 0], rides[:, 1] = 100, 400  # root counts 10 and 20; all other zones are empty
    rides[-1, 0] = 169  # the residual of zone 1 is 3
    x = history_of(rides).features(START)
    mean = np.sqrt(rides[-168:]).mean(axis=0)
    expected = mean[0] * 3 / (mean[0] + 20) * mean
    assert x["city_residual"] == pytest.approx(expected)


def city_like(hours: int, seed: int) -> Counts:
    """Random counts of quiet and busy zones, all hours alike."""
    random = np.random.default_rng(seed)
    return random.poisson(random.gamma(0.5, 20, ZONE_COUNT), (hours, ZONE_COUNT))


def test_no_feature_is_a_combination_of_others() -> None:
    # Under forgetting, such a feature makes rounding errors grow without bound.
    hours = 760
    rides = city_like(hours, 5)
    history = RideHistory()
    rows: list[Floats] = []
    for i in range(hours):
        history.append(rides[i])
        if i >= 700:
            rows.append(history.features(START + (i + 1) * HOUR_MS).matrix(MODEL_FEATURES))
    stacked = np.concatenate(rows)
    scaled = stacked / np.linalg.norm(stacked, axis=0)
    assert np.linalg.matrix_rank(scaled) == len(MODEL_FEATURES)
    # The test can fail: the residual of the last hour would be such a feature.
    named = dict(zip(MODEL_FEATURES, stacked.T, strict=True))
    residual = named["lag_1"] - named["mean_past_weeks"] + named["expected_step"]
    extended = np.column_stack((scaled, residual / np.linalg.norm(residual)))
    assert np.linalg.matrix_rank(extended) == len(MODEL_FEATURES)
