"""Names of the forecasters, as events, Redis keys and reports use them."""

SERVED = "bayesian_linear_regression"
LAST_HOUR = "last_hour"
SAME_HOUR_YESTERDAY = "same_hour_yesterday"
SAME_HOUR_LAST_WEEK = "same_hour_last_week"
BASELINES = (LAST_HOUR, SAME_HOUR_YESTERDAY, SAME_HOUR_LAST_WEEK)
MODELS = (SERVED, *BASELINES)

# Skill is measured against this one: 1 - MAE / MAE of the reference, over the same pairs.
REFERENCE = SAME_HOUR_LAST_WEEK

# Predictions are rounded once, where they are made; every figure derived from them likewise.
DECIMALS = 4
