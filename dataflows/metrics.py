"""What a dataflow process tells Prometheus."""

from prometheus_client import Counter, Histogram

TRIPS_COUNTED = Counter("rushhour_trips_counted", "Trips counted into hours")
TRIPS_REPEATED = Counter(
    "rushhour_trips_repeated", "Trips dropped because the producer had sent them before"
)
FORECAST = Histogram(
    "rushhour_forecast_seconds",
    "Time to learn one hour and predict the next, all zones and models",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
