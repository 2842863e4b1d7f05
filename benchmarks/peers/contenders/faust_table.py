"""Faust (faust-streaming) with a windowed table in memory.

https://faust-streaming.github.io/faust/userguide/tables.html: windowing, `relative_to_field`.
https://faust-streaming.github.io/faust/userguide/settings.html

A table writes each change to its changelog topic. `on_window_close` compares windows with the clock
on the wall (`faust.tables.base`), so it cannot close those of a replay: the table is read when the
last message has been counted.
"""

import os

import faust

from benchmarks.peers.work import HOUR_MS, PARTITIONS, Work

work = Work.from_environment()
app = faust.App(
    work.run,
    broker=f"kafka://{work.bootstrap}",
    store="memory://",
    datadir=work.scratch,
    topic_partitions=PARTITIONS,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)


class Trip(faust.Record, serializer="json"):
    """The fields of a message that are needed."""

    pickup_ts: int
    pickup_location_id: int


trips = app.topic(work.topic, key_type=str, key_serializer="raw", value_type=Trip)
# Windows have the unit of the field, milliseconds.
rides = (
    app.Table("rides", default=int, partitions=PARTITIONS)
    .tumbling(HOUR_MS)
    .relative_to_field(Trip.pickup_ts)
)
messages = 0


@app.agent(trips)
async def count(stream: faust.StreamT[Trip]) -> None:
    """Count; hand in and end with the last message."""
    global messages  # noqa: PLW0603 - an agent has no other state of its own
    async for trip in stream:
        rides[str(trip.pickup_location_id)] += 1
        messages += 1
        if messages == work.messages:
            windows = rides.table.items()
            work.hand_in({(int(zone), int(hour)): n for (zone, (hour, _)), n in windows})
            os._exit(0)  # a worker has no end of its own


if __name__ == "__main__":
    faust.Worker(app, loglevel="WARN").execute_from_commandline()
