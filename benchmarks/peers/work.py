"""The work that every contender does, and how it hands in its result.

Count the trips of each zone in each hour of event time, from the first message of a topic to the
last, and hand in the final counts. A contender runs in an environment of its own, so this module
needs the standard library alone.
"""

import csv
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

HOUR_MS = 3_600_000
PARTITIONS = 4

Counts = dict[tuple[int, int], int]  # (zone, start of the hour in epoch ms) -> trips


@dataclass(frozen=True, slots=True)
class Work:
    """What to count, and where to put the counts.

    Parameters
    ----------
    run
        A name that no other run has: for consumer groups, and for what a run keeps on Kafka.
        Topics whose names begin with it are deleted afterwards.
    bootstrap
        Kafka, as `host:port`.
    topic
        A topic of `PARTITIONS` partitions. A message is a JSON object with `pickup_ts` (epoch ms)
        and `pickup_location_id` (the zone), its key the zone in decimal. The trips of a zone are on
        one partition, and each partition is in order of `pickup_ts`. Nothing is added while it is
        read. Each partition ends with a trip two days after `end_ts`, which moves event time past
        every window; that trip itself is not counted.
    messages
        Number of messages on the topic.
    start_ts, end_ts
        First instant and end (exclusive) of the hours to be counted, epoch ms.
    result
        File for the counts: lines of zone, hour (epoch ms), trips; without zeros.
    scratch
        An empty directory for state.
    """

    run: str
    bootstrap: str
    topic: str
    messages: int
    start_ts: int
    end_ts: int
    result: str
    scratch: str

    @classmethod
    def from_environment(cls) -> "Work":
        """Read the work from the variables that `environment` returns."""
        text = {field.name: os.environ[_variable(field.name)] for field in fields(cls)}
        return cls(
            run=text["run"],
            bootstrap=text["bootstrap"],
            topic=text["topic"],
            messages=int(text["messages"]),
            start_ts=int(text["start_ts"]),
            end_ts=int(text["end_ts"]),
            result=text["result"],
            scratch=text["scratch"],
        )

    def environment(self) -> dict[str, str]:
        """Return the work as environment variables."""
        return {_variable(name): str(value) for name, value in asdict(self).items()}

    def hand_in(self, counts: Mapping[tuple[int, int], int]) -> None:
        """Write the final counts of hours from `start_ts` to `end_ts`; later hours are left out."""
        rows = ((zone, hour, n) for (zone, hour), n in counts.items() if hour < self.end_ts)
        with Path(self.result).open("w", newline="") as file:
            csv.writer(file).writerows(rows)


def read_counts(lines: Iterable[str]) -> Counts:
    """Read the lines of a result.

    Raises
    ------
    ValueError
        If a line is not three numbers, or an hour of a zone is there twice.
    """
    counts: Counts = {}
    for zone, hour, trips in csv.reader(lines):
        place = int(zone), int(hour)
        if place in counts:
            raise ValueError(f"zone {zone} has hour {hour} twice")
        counts[place] = int(trips)
    return counts


def _variable(name: str) -> str:
    return f"BENCH_{name.upper()}"
