"""Names of models that more than one room uses, and how figures are rounded.

The names of all models are a fact of each run (`rushhour.core.run.RunInfo.models`): they come
from the registry in `dataflows.forecasting.forecasters`.
"""

# The served prediction: a mixture of the forecasters that learn.
SERVED = "mixture"

# Baselines, scored beside it.
LAST_HOUR = "last_hour"
SAME_HOUR_YESTERDAY = "same_hour_yesterday"
SAME_HOUR_LAST_WEEK = "same_hour_last_week"
BASELINES = (LAST_HOUR, SAME_HOUR_YESTERDAY, SAME_HOUR_LAST_WEEK)

# Skill is relative to this model: 1 - MAE / MAE of the reference, over the same pairs.
REFERENCE = SAME_HOUR_LAST_WEEK

# Share of rides that the prediction intervals are meant to contain.
NOMINAL_COVERAGE = 0.9

# Predictions are rounded once, where they are made; every figure derived from them likewise.
DECIMALS = 4

# A zone without any ride so far may still get one: the least that is predicted.
MIN_DEMAND = 10.0**-DECIMALS
