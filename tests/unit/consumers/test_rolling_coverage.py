from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from consumers.rolling_coverage import RollingCoverage, is_covered
from consumers.rolling_errors import WINDOWS
from rushhour.core.hours import HOUR_MS
from rushhour.core.zones import ZONE_COUNT
from rushhour.scoring.bands import BANDS

Floats = npt.NDArray[np.float64]
Hour = tuple[Floats, Floats]  # covered, predicted

START = 1_727_740_800_000
EDGES = (0, 1, 5, 20, 100, float("inf"))


def random_hours(count: int, seed: int) -> list[Hour]:
    """Whether pairs were covered, some without an interval; and predictions of all bands but one.

    The first zone never has an interval.
    """
    random = np.random.default_rng(seed)
    out: list[Hour] = []
    for _ in range(count):
        covered = (random.random(ZONE_COUNT) < 0.9).astype(np.float64)
        covered[random.random(ZONE_COUNT) < 0.1] = np.nan
        covered[0] = np.nan
        out.append((covered, random.choice([0.0, 0.9, 1.0, 4.9, 30.0, 100.0, 900.0], ZONE_COUNT)))
    return out


def learn(hours: list[Hour], first: int = 0) -> RollingCoverage:
    coverage = RollingCoverage()
    for i, (covered, predicted) in enumerate(hours):
        coverage.learn(START + (first + i) * HOUR_MS, covered, predicted)
    return coverage


def mean(values: Floats) -> float:
    """The mean of what is known; NaN if nothing is."""
    known = values[~np.isnan(values)]
    return float(known.sum() / len(known)) if len(known) else float("nan")


def shares_of(coverage: RollingCoverage, window: int, last: int) -> Floats:
    """All that is told of a window that ends with the hour `last`: zones, then the city."""
    last_hour = START + last * HOUR_MS
    zones = coverage.zone_shares(window, last_hour)
    return np.concatenate([zones, coverage.city_share(window, last_hour)])


@pytest.mark.parametrize(
    ("lower", "rides", "upper", "covered"),
    [(2, 1, 4, 0), (2, 2, 4, 1), (2, 4, 4, 1), (2, 5, 4, 0), (0, 0, 0, 1), (2.5, 2, 4, 0)],
)
def test_both_ends_of_an_interval_belong_to_it(
    lower: float, rides: int, upper: float, covered: float
) -> None:
    found = is_covered(np.array([rides]), np.array([lower], float), np.array([upper], float))
    assert found.tolist() == [covered]


def test_without_an_interval_there_is_nothing_to_judge() -> None:
    nan = float("nan")
    found = is_covered(np.array([3, 3, 3]), np.array([nan, 1, nan]), np.array([5, nan, nan]))
    assert np.isnan(found).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 30) | st.integers(160, 400), st.integers(0, 200))
@settings(max_examples=15, phases=[Phase.generate])  # a smaller seed is no simpler case
def test_shares_are_what_their_definitions_say(seed: int, count: int, first: int) -> None:
    hours = random_hours(count, seed)
    coverage = learn(hours, first)
    for window in WINDOWS:
        recent = np.stack([covered for covered, _ in hours[-window:]])
        expected = [*(mean(recent[:, zone]) for zone in range(ZONE_COUNT)), mean(recent)]
        assert np.array_equal(
            shares_of(coverage, window, first + count - 1), expected, equal_nan=True
        )


@given(st.integers(0, 2**32 - 1), st.integers(1, 30) | st.integers(160, 400))
@settings(max_examples=10, phases=[Phase.generate])
def test_a_band_is_judged_by_its_own_zone_hours_of_the_last_week(seed: int, count: int) -> None:
    hours = random_hours(count, seed)
    covered, predicted = (np.stack(rows) for rows in zip(*hours[-168:], strict=True))
    expected = [
        mean(covered[(first <= predicted) & (predicted < end)]) for first, end in pairwise(EDGES)
    ]
    found = learn(hours).band_shares()
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.isnan(found[BANDS.index("5-20")])  # nothing was predicted there


@pytest.mark.parametrize("count", [168, 169, 250, 400])
def test_rebuilding_from_the_last_week_gives_the_same_digits(count: int) -> None:
    hours = random_hours(count, count)
    whole, rebuilt = learn(hours), learn(hours[-168:], first=count - 168)
    for window in WINDOWS:
        both = (shares_of(coverage, window, count - 1).tobytes() for coverage in (whole, rebuilt))
        assert next(both) == next(both)
    assert whole.band_shares().tobytes() == rebuilt.band_shares().tobytes()


@given(st.integers(0, 2**32 - 1), st.integers(1, 30) | st.integers(160, 200))
@settings(max_examples=10, phases=[Phase.generate])
def test_zones_that_come_to_their_hours_at_different_times_have_the_shares_of_their_own_hour(
    seed: int, count: int
) -> None:
    """As the partitions of a consumer do: each zone's shares are those of all zones together."""
    hours = random_hours(count, seed)
    random = np.random.default_rng(seed)
    group = random.integers(0, 3, ZONE_COUNT)
    together = RollingCoverage()
    done = [0, 0, 0]
    while min(done) < count:
        i = random.choice([number for number in range(3) if done[number] < count])
        mask = group == i
        covered, predicted = hours[done[i]]
        # What the other zones have in this hour is somebody else's: it must not be looked at.
        alien = np.where(mask, covered, 1.0), np.where(mask, predicted, 7.0)
        together.learn(START + done[i] * HOUR_MS, *alien, mask)
        done[i] += 1
        alone = learn(hours[: done[i]])
        for window in WINDOWS:
            last_hour = START + (done[i] - 1) * HOUR_MS
            found = together.zone_shares(window, last_hour)[mask]
            assert found.tobytes() == alone.zone_shares(window, last_hour)[mask].tobytes()
    whole = learn(hours)
    for window in WINDOWS:
        found = shares_of(together, window, count - 1)
        assert found.tobytes() == shares_of(whole, window, count - 1).tobytes()
    assert together.band_shares().tobytes() == whole.band_shares().tobytes()
