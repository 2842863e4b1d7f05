"""Names of models that more than one room knows, and how figures are rounded.

The names of all models are a fact of each run (`rushhour.core.run.RunInfo.models`): they come
from the registry in `dataflows.forecasting.forecasters`.
"""

# The prediction that is served: a mixture of the forecasters that learn.
SERVED = "mixture"

# Forecasters with nothing to learn, scored beside it.
LAST_HOUR = "last_hour"
SAME_HOUR_YESTERDAY = "same_hour_yesterday"
SAME_HOUR_LAST_WEEK = "same_hour_last_week"

# Skill is measured against this one: 1 - MAE / MAE of the reference, over the same pairs.
REFERENCE = SAME_HOUR_LAST_WEEK

# What share of rides the intervals are to hold.
COVERAGE = 0.9

# Predictions are rounded once, where they are made; every figure derived from them likewise.
DECIMALS = 4
