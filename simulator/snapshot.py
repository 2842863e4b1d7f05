"""One look at a run through Redis: what `up` and `status` show."""

from dataclasses import dataclass
from typing import Any, cast

import redis

from core import keys
from core.models import MODELS
from core.redis_client import read_hash
from core.run import RunInfo
from core.status import ClockStatus

_ZONES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ZoneLine:
    """One line of the board of worst zones."""

    id: int
    name: str
    mae_24h: float
    rides: str
    next_prediction: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a run. Hashes are as Redis holds them; empty before they are written."""

    run: RunInfo
    clock: ClockStatus | None
    last_hour_closed: str | None
    city: dict[str, str]
    quality: dict[str, str]
    models: dict[str, dict[str, str]]
    worst: tuple[ZoneLine, ...]

    @classmethod
    def read(cls, client: redis.Redis) -> "Snapshot":
        """Read a run.

        Raises
        ------
        RedisError
            If Redis holds none.
        """
        return cls(
            run=RunInfo.load(client),
            clock=ClockStatus.load(client),
            last_hour_closed=cast(str | None, client.hget(keys.CLOCK, "last_hour_closed")),
            city=read_hash(client, keys.CITY),
            quality=read_hash(client, keys.QUALITY),
            models={name: read_hash(client, keys.model(name)) for name in MODELS},
            worst=_worst_zones(client),
        )

    @property
    def hours_closed(self) -> int:
        """How many hours are counted, scored and in Redis."""
        return int(self.quality.get("hours_closed", 0))

    def score(self, model: str, field: str) -> str:
        """Return a model's score as Redis holds it, or a dash."""
        value = self.models.get(model, {}).get(field, "")
        return "-" if value in {"", "n/a"} else value


def _worst_zones(client: redis.Redis) -> tuple[ZoneLine, ...]:
    board: Any = client.zrevrange(keys.BOARD_MAE, 0, _ZONES_SHOWN - 1, withscores=True)
    lines = []
    for zone, mae in board:
        fields = read_hash(client, keys.zone(int(zone)))
        lines.append(
            ZoneLine(
                int(zone),
                fields.get("name", ""),
                float(mae),
                fields.get("rides", "-"),
                fields.get("next_prediction", "-"),
            )
        )
    return tuple(lines)
