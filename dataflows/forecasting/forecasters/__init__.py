"""The registry of forecasters.

Each predicts all zones at once with `predict_many`, and learns with `learn_many` when the hour is
closed. To add one, write a class like those in this package and add it to `learners()`: it is then
scored in Redis like the others, and weighted into the served mixture by its accuracy.
"""

from dataflows.forecasting import features
from dataflows.forecasting.forecasters.base import Forecaster
from dataflows.forecasting.forecasters.city_regression import CityRegression
from dataflows.forecasting.forecasters.hour_regression import HourRegression
from dataflows.forecasting.forecasters.repeat import Repeat
from dataflows.forecasting.forecasters.zone_regression import ZoneRegression
from rushhour.core import models


def learners() -> tuple[Forecaster, ...]:
    """Return new forecasters that learn; the served model is a mixture of them.

    The engine calls them in this order.
    """
    city = CityRegression()
    return (
        city,
        HourRegression(),
        ZoneRegression(city),
    )


def baselines() -> tuple[Forecaster, ...]:
    """Return the forecasters that repeat a past hour: scored, never served."""
    return (
        Repeat(models.LAST_HOUR, features.RIDES_LAST_HOUR),
        Repeat(models.SAME_HOUR_YESTERDAY, features.RIDES_YESTERDAY),
        Repeat(models.SAME_HOUR_LAST_WEEK, features.RIDES_LAST_WEEK),
    )


def model_names() -> tuple[str, ...]:
    """Return the names of all models of a run, the served one first."""
    return (models.SERVED, *(model.name for model in (*learners(), *baselines())))
