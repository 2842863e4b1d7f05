import numpy as np

from dataflows.forecasting.horizons.similar_hours import SimilarHours
from rushhour.core.zones import ZONE_COUNT

NONE = np.full(ZONE_COUNT, -1.0)


def two_kinds_of_days(kinds: str) -> np.ndarray:
    """Return root counts of days: all hours of `a` are 1 and then grow, those of `b` are 5."""
    day = {"a": 1 + np.arange(24) / 24, "b": np.full(24, 5.0)}
    rows = np.concatenate([day[kind] for kind in kinds])
    return np.repeat(rows[:, np.newaxis], ZONE_COUNT, axis=1)


def test_days_like_today_decide() -> None:
    similar = SimilarHours()
    rows = two_kinds_of_days("ababba")[: -24 + 6]  # today is an `a`, 6 hours old
    similar.update(rows)

    for horizon in (1, 6, 18):
        expected = 1 + (5 + horizon) / 24
        assert np.allclose(similar.mean(rows, horizon, NONE), expected, atol=0.01)


def test_days_that_are_not_over_at_that_hour_do_not_count() -> None:
    similar = SimilarHours()
    rows = two_kinds_of_days("aab")[: -24 + 6]
    similar.update(rows)

    assert np.allclose(similar.mean(rows, 25, NONE), rows[-24])
    assert (similar.mean(rows, 49, NONE) == NONE).all()


def test_without_a_past_day_there_is_nothing_to_resemble() -> None:
    similar = SimilarHours()
    for hours in (0, 1, 26):
        rows = two_kinds_of_days("aa")[:hours]
        similar.update(rows)
        assert (similar.mean(rows, 1, NONE) == NONE).all()
