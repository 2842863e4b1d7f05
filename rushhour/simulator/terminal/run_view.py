"""One look at a run through Redis: what `up` and `status` show."""

from dataclasses import dataclass

import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.hours import HOUR_MS, hour_label, parse_label
from rushhour.core.run import RunInfo
from rushhour.runtime.redis_client import read_hash
from rushhour.storage.clock import last_hour_of
from rushhour.storage.runs import load_run

_ZONES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """One line of the board of worst zones."""

    id: int
    name: str
    mae_24h: float
    rides: str
    next_prediction: str


@dataclass(frozen=True, slots=True)
class RunView:
    """The state of a run. Hashes are as Redis holds them; empty before they are written."""

    run: RunInfo
    clock: ClockStatus | None
    last_hour_closed: str | None
    city: dict[str, str]
    quality: dict[str, str]
    models: dict[str, dict[str, str]]
    worst: tuple[ZoneRow, ...]

    @classmethod
    def read(cls, client: redis.Redis) -> "RunView":
        """Read a run.

        Raises
        ------
        RedisFailure
            If Redis holds none.
        """
        run = load_run(client)
        pipe = client.pipeline(transaction=True)  # one moment: no hour closes in between
        for key in (
            keys.CLOCK,
            keys.CITY,
            keys.QUALITY,
            *(keys.model(name) for name in run.models),
        ):
            pipe.hgetall(key)
        pipe.xrevrange(keys.CITY_HOURLY, count=1)
        pipe.zrevrange(keys.BOARD_MAE, 0, _ZONES_SHOWN - 1, withscores=True)
        clock, city, quality, *models, hourly, board = pipe.execute()
        closed = last_hour_of(hourly)
        return cls(
            run=run,
            clock=ClockStatus.from_fields(clock),
            last_hour_closed=None if closed is None else hour_label(closed),
            city=city,
            quality=quality,
            models=dict(zip(run.models, models, strict=True)),
            worst=tuple(_zone_row(client, int(zone), mae) for zone, mae in board),
        )

    @property
    def hours_closed(self) -> int:
        """How many hours are counted, scored and in Redis."""
        return int(self.quality.get("hours_closed", 0))

    @property
    def now_ts(self) -> int | None:
        """Simulated time (epoch ms): a closed hour may be news before the clock's own word."""
        if self.clock is None:
            return None
        closed = self.last_hour_closed
        return max(self.clock.now_ts, parse_label(closed) + HOUR_MS if closed else 0)

    @property
    def served(self) -> str:
        """Name of the served model."""
        return self.run.models[0]

    def score(self, model: str, field: str, decimals: int = 2) -> str:
        """Return a model's score, or a dash."""
        value = self.value(model, field)
        return "-" if value is None else f"{value:.{decimals}f}"

    def share(self, model: str, field: str) -> str:
        """Return a model's share in percent, or a dash."""
        value = self.value(model, field)
        return "-" if value is None else f"{100 * value:.1f} %"

    def value(self, model: str, field: str) -> float | None:
        """Return a model's score; None if it cannot be judged yet."""
        text = self.models.get(model, {}).get(field, "")
        return None if text in {"", keys.NOT_KNOWN} else float(text)


def _zone_row(client: redis.Redis, zone: int, mae: float) -> ZoneRow:
    fields = read_hash(client, keys.zone(zone))
    return ZoneRow(
        zone,
        fields.get("name", ""),
        mae,
        fields.get("rides", "-"),
        fields.get("next_prediction", "-"),
    )
