"""An hourly pipeline: predicts each zone's next hour as the mean of that hour of the past days.

As a command that the clock waits for, or as a service of its own:

    rushhour up --on-hour 'python examples/hourly_pipeline.py --hour {hour}'
    rushhour up --gate pipeline & python examples/hourly_pipeline.py --gate pipeline

The environment says where the run is: RUSHHOUR_REDIS and RUSHHOUR_KAFKA.
"""

import argparse
import os
from pathlib import Path

import pandas as pd

import rushhour

DAYS = 14
MODEL = "mean_of_hour"


def predict(rides: pd.DataFrame, hour: pd.Timestamp) -> pd.DataFrame:
    """Return the predictions for an hour, from the rides of closed hours."""
    past = rides[rides["pickup_hour"].dt.hour == hour.hour]
    past = rides if past.empty else past  # on the first day, the mean of all hours
    mean = past.groupby("pickup_location_id")["rides"].mean()
    table = mean.rename("predicted_demand").reset_index()
    return table.assign(pickup_hour=hour)


def run(client, hour: pd.Timestamp, directory: Path) -> None:
    """Predict the hour after a closed one, and submit that to be scored."""
    following = hour + pd.Timedelta(hours=1)
    rides = rushhour.views.hourly_rides(client, hour - pd.Timedelta(days=DAYS), hour)
    predictions = predict(rides, following)
    label = f"{following:%Y-%m-%dT%H}"
    predictions.to_parquet(directory / f"{label}.parquet", index=False)
    if label <= client.hget("sim:run", "until"):  # no hour after the last one of the run
        rushhour.submit(predictions, model=MODEL)
    print(f"{label}: {predictions['predicted_demand'].sum():.1f} rides", flush=True)


def main() -> None:
    """Run for one hour, or as a service for each hour of the run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hour", help="the closed hour to run after, such as 2024-10-02T23")
    parser.add_argument("--gate", help="acknowledge each hour under this name")
    parser.add_argument("--out", type=Path, default=Path(), help="where copies are written")
    args = parser.parse_args()
    url = os.environ.get("RUSHHOUR_REDIS", "redis://127.0.0.1:6379")
    client = rushhour.connect(url, key_prefix=os.environ.get("RUSHHOUR_KEY_PREFIX", ""))
    hours = rushhour.gates.hours(client, args.gate) if args.gate else [args.hour]
    for hour in hours:
        run(client, pd.to_datetime(hour, utc=True), args.out)


if __name__ == "__main__":
    main()
