"""Pathway in static mode: what is on the topic, as one batch.

https://pathway.com/developers/api-docs/pathway-io/kafka/: `mode="static"`, `parallel_readers`.
https://pathway.com/developers/user-guide/temporal-data/windows-manual/
https://pathway.com/developers/user-guide/temporal-data/behaviors/: without a behavior, results
are complete whatever the order of the partitions; a cutoff drops the trips of slower partitions.
"""

from typing import Any

import pathway as pw

from benchmarks.peers.work import HOUR_MS, Counts, Work


class Trip(pw.Schema):
    """The fields of a message that are needed."""

    pickup_ts: int
    pickup_location_id: int


def main() -> None:
    """Count."""
    work = Work.from_environment()
    counts: Counts = {}
    trips = pw.io.kafka.read(
        {
            "bootstrap.servers": work.bootstrap,
            "group.id": work.run,
            "auto.offset.reset": "earliest",
        },
        topic=work.topic,
        format="json",
        schema=Trip,
        mode="static",
    )
    windows = trips.windowby(
        trips.pickup_ts,
        window=pw.temporal.tumbling(duration=HOUR_MS, origin=work.start_ts),
        instance=trips.pickup_location_id,
    ).reduce(zone=pw.this._pw_instance, hour=pw.this._pw_window_start, trips=pw.reducers.count())

    def keep(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
        if is_addition:
            counts[row["zone"], row["hour"]] = row["trips"]

    pw.io.subscribe(windows, keep)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    work.hand_in(counts)


if __name__ == "__main__":
    main()
