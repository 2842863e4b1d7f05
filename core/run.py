"""What is being replayed: written to Redis before a run starts, read by every part of it."""

from dataclasses import dataclass, replace

import redis

from core import keys
from core.errors import RedisError
from core.hours import HOUR_MS, hour_label, parse_label
from core.redis_client import read_hash, write_hash
from core.surge import Surge, parse_surges

SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run over the hours of [`start_ts`, `end_ts`), both epoch milliseconds.

    `source` is the name of the trip file, or `synthetic`. `file` is its path, empty for
    synthetic data. `dataflows` and `consumers` are how many processes share the work. `surge` is
    what `format_surges` writes, empty if the trips are replayed as they are. `models` are the names
    of all that forecast, the served one first.
    """

    run_id: str
    dataset: str
    month: str
    source: str
    file: str
    start_ts: int
    end_ts: int
    dataflows: int = 1
    consumers: int = 1
    surge: str = ""
    models: tuple[str, ...] = ()

    @property
    def synthetic(self) -> bool:
        """Whether the trips are made up."""
        return self.source == SYNTHETIC

    @property
    def surges(self) -> tuple[Surge, ...]:
        """What is done to the trips before they are replayed."""
        return parse_surges(self.surge)

    def replays_the_same_as(self, other: "RunInfo") -> bool:
        """Whether both end in the same Redis, however their work is shared."""
        return (
            replace(self, run_id=other.run_id, dataflows=other.dataflows, consumers=other.consumers)
            == other
        )

    @property
    def hours(self) -> int:
        """How many hours the run covers."""
        return (self.end_ts - self.start_ts) // HOUR_MS

    def save(self, client: redis.Redis) -> None:
        """Write the run to Redis."""
        fields = {
            "run_id": self.run_id,
            "dataset": self.dataset,
            "month": self.month,
            "source": self.source,
            "file": self.file,
            "from": hour_label(self.start_ts),
            "until": hour_label(self.end_ts - HOUR_MS),
            "dataflows": self.dataflows,
            "consumers": self.consumers,
            "surge": self.surge,
            "models": ",".join(self.models),
        }
        write_hash(client, keys.RUN, fields)

    @classmethod
    def load(cls, client: redis.Redis) -> "RunInfo":
        """Read the run from Redis.

        Raises
        ------
        RedisError
            If this Redis holds no run.
        """
        fields = read_hash(client, keys.RUN)
        if not fields:
            raise RedisError("this Redis holds no run: start one with `rushhour up`")
        return cls(
            run_id=fields["run_id"],
            dataset=fields["dataset"],
            month=fields["month"],
            source=fields["source"],
            file=fields["file"],
            start_ts=parse_label(fields["from"]),
            end_ts=parse_label(fields["until"]) + HOUR_MS,
            dataflows=int(fields.get("dataflows", 1)),
            consumers=int(fields.get("consumers", 1)),
            surge=fields.get("surge", ""),
            models=tuple(filter(None, fields.get("models", "").split(","))),
        )


def load_offsets(client: redis.Redis, topic: str) -> dict[int, int]:
    """Return the next offset to read of each partition of a topic.

    Raises
    ------
    RedisError
        If the run was not prepared for this topic.
    """
    found = {
        int(field.rpartition(":")[2]): int(offset)
        for field, offset in read_hash(client, keys.OFFSETS).items()
        if field.rpartition(":")[0] == topic
    }
    if not found:
        raise RedisError(f"Redis has no offsets for topic '{topic}': was the run prepared?")
    return found
