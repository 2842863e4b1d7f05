"""Scores of users' models: exactly those that a model of the run with these predictions has."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.city_scores import CityScores
from consumers.submissions.scores import SubmittedScores
from rushhour.core.forecast import Forecast
from rushhour.core.hours import hour_label
from rushhour.core.models import REFERENCE, SERVED
from rushhour.core.zones import ZONE_COUNT
from rushhour.storage.columns import unknown
from rushhour.storage.hour_tables import HourTables

HOUR = 3_600_000
START = 1_727_910_000_000


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_scores_are_those_of_a_model_of_the_run(hours: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    ours, theirs = CityScores((SERVED, "ours", REFERENCE)), SubmittedScores("theirs")
    pairs = []
    for index in range(hours):
        rides = draw.integers(0, 9, ZONE_COUNT).astype(np.float64)
        predicted = np.where(draw.random(ZONE_COUNT) < 0.3, np.nan, draw.random(ZONE_COUNT) * 9)
        reference = np.where(draw.random(ZONE_COUNT) < 0.1, np.nan, draw.random(ZONE_COUNT) * 9)
        by_model = {SERVED: rides, "ours": predicted, REFERENCE: reference}
        forecast = Forecast(START + index * HOUR, by_model, rides * 1.5, unknown(), unknown())
        hour = HourTables(rides, forecast, unknown())
        ours.update(hour)
        theirs.update(hour, predicted)
        pairs.append(int((~np.isnan(predicted)).sum()))
    last = START + (hours - 1) * HOUR
    expected = ours.fields(last)["ours"] | {
        "hour": hour_label(last),
        "pairs_24h": sum(pairs[-24:]),
        "pairs_168h": sum(pairs[-168:]),
    }
    assert theirs.fields(last) == expected


def test_an_hour_without_predictions_counts_for_nothing() -> None:
    scores = SubmittedScores("mine")
    rides = np.ones(ZONE_COUNT)
    forecast = Forecast(START, {REFERENCE: rides}, rides, unknown(), unknown())
    scores.update(HourTables(rides, forecast, unknown()), unknown())
    found = scores.fields(START)
    assert found["pairs_24h"] == 0
    assert found["mae_24h"] == found["skill_168h"] == "n/a"
