"""Names of the columns of hourly tables, as users know them."""

HOUR = "pickup_hour"  # start of the hour
TS = "pickup_ts"  # the same, epoch milliseconds
ZONE = "pickup_location_id"
RIDES = "rides"
PREDICTED = "predicted_demand"  # expected number of rides
MEDIAN = "predicted_median"
ERROR = "prediction_error"  # predicted minus actual rides
