"""The forecasters, registered in one place.

Each answers `predict_many` for all zones at once, and learns with `learn_many` once the hour is
over. To add one: write a class like those beside this file, and put it into `learners()`. It is
then scored beside the others in Redis, and mixed into what is served by how well it does.
"""

from dataflows.forecasting import features
from dataflows.forecasting.forecasters.base import Forecaster
from dataflows.forecasting.forecasters.city_regression import CityRegression
from dataflows.forecasting.forecasters.hour_regression import HourRegression
from dataflows.forecasting.forecasters.repeat import Repeat
from dataflows.forecasting.forecasters.zone_regression import ZoneRegression
from rushhour.core import models


def learners() -> tuple[Forecaster, ...]:
    """Return fresh forecasters that learn: what is served is a mixture of them."""
    return (
        CityRegression(),
        HourRegression(),
        ZoneRegression(),
    )


def baselines() -> tuple[Forecaster, ...]:
    """Return the forecasters that only repeat what was: scored, and never served."""
    return (
        Repeat(models.LAST_HOUR, features.RIDES_LAST_HOUR),
        Repeat(models.SAME_HOUR_YESTERDAY, features.RIDES_YESTERDAY),
        Repeat(models.SAME_HOUR_LAST_WEEK, features.RIDES_LAST_WEEK),
    )


def model_names() -> tuple[str, ...]:
    """Return the names of all models of a run, the served one first."""
    return (models.SERVED, *(model.name for model in (*learners(), *baselines())))
