"""Prometheus metrics of a dataflow process."""

from prometheus_client import REGISTRY, Counter, Histogram

TRIPS_COUNTED = Counter("rushhour_trips_counted", "Trips counted into hours")
DUPLICATE_TRIPS = Counter(
    "rushhour_duplicate_trips", "Trips dropped because the producer sent them a second time"
)
MODEL_FAILURES = Counter(
    "rushhour_model_failures",
    "Failures of a model to predict or to learn an hour",
    ["model"],
)
FORECAST_DURATION = Histogram(
    "rushhour_forecast_duration_seconds",
    "Time to learn one hour and predict the next, all zones and models",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)


def total(sample: str) -> int:
    """Return the value of a counter's sample in this process, such as `..._total`."""
    return int(REGISTRY.get_sample_value(sample) or 0)
