"""Quix Streams with a tumbling window and its RocksDB state.

https://quix.io/docs/quix-streams/windowing.html: timestamps from the message, `final()`, and the
closing strategy `partition`, because not every zone has a trip in every hour.
https://quix.io/docs/quix-streams/configuration.html: `commit_interval`, `use_changelog_topics`
(off: nothing here has to survive the machine).
"""

from datetime import timedelta
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows import Count

from benchmarks.peers.work import Counts, Work


def main() -> None:
    """Count."""
    work = Work.from_environment()
    counts: Counts = {}

    def pickup_ts(value: Any, _headers: Any, _timestamp: float, _kind: Any) -> int:
        return int(value["pickup_ts"])

    def keep(window: Any, zone: str, _timestamp: int, _headers: Any) -> None:
        counts[int(zone), window["start"]] = window["trips"]

    app = Application(
        broker_address=work.bootstrap,
        consumer_group=work.run,
        auto_offset_reset="earliest",
        state_dir=work.scratch,
        use_changelog_topics=False,
        loglevel="WARNING",
        consumer_extra_config={"fetch.queue.backoff.ms": 5},
    )
    topic = app.topic(
        work.topic,
        key_deserializer="str",
        value_deserializer="json",
        timestamp_extractor=pickup_ts,
    )
    messages = 0

    def stop_at_the_end(_value: Any) -> None:
        nonlocal messages
        messages += 1
        if messages == work.messages:
            app.stop()

    windows = (
        app.dataframe(topic)
        .update(stop_at_the_end)
        .tumbling_window(timedelta(hours=1))
        .agg(trips=Count())
        .final(closing_strategy="partition")
    )
    windows.update(keep, metadata=True)
    app.run()
    work.hand_in(counts)


if __name__ == "__main__":
    main()
