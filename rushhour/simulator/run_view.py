"""The state of a run, read from Redis at one moment: what the screens and documents show."""

from dataclasses import dataclass, field, replace
from typing import cast

import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.gate import GateStatus, HourCommand
from rushhour.core.horizons import NEXT_HOUR, ONLY_THE_NEXT_HOUR
from rushhour.core.hours import SECOND_MS
from rushhour.core.models import REFERENCE
from rushhour.core.run import RunInfo, check_horizon
from rushhour.runtime.redis_client import read_hash
from rushhour.runtime.wall_clock import wall_ts
from rushhour.storage.clock import last_hour_of, simulated_ts
from rushhour.storage.runs import load_run
from rushhour.storage.submissions import rejected_submissions, submitted_models

WORST_ZONES = 5
# The producer reports ten times a second. Hosts may disagree about the time by less than this.
SILENT_AFTER_S = 10.0
_REJECTED = "rejected:"


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """A row of the board of the zones with the largest errors; None is not known yet."""

    id: int
    name: str
    mae_24h: float
    rides: int | None
    next_prediction: float | None


@dataclass(frozen=True, slots=True)
class RunView:
    """The state of a run. Hashes are as Redis holds them; empty before they are written.

    `last_closed_ts` is the start of the last closed hour (epoch ms); None before the first.
    `submitted` are the users' models, of submitted predictions. `gate` is who is awaited, `on_hour`
    the command of `--on-hour` while it runs or after it has failed. `read_ts` is the wall time at
    which it was read (epoch ms). `horizons` are the scores further ahead, by horizon.
    """

    run: RunInfo
    clock: ClockStatus | None
    last_closed_ts: int | None
    city: dict[str, str]
    quality: dict[str, str]
    models: dict[str, dict[str, str]]
    worst: tuple[ZoneRow, ...]
    read_ts: int = 0
    submitted: dict[str, dict[str, str]] = field(default_factory=dict)
    gate: GateStatus = field(default_factory=GateStatus)
    on_hour: HourCommand | None = None
    horizons: dict[int, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, client: redis.Redis) -> "RunView":
        """Read a run.

        Raises
        ------
        RedisFailure
            If Redis holds no run.
        """
        run = load_run(client)
        names = submitted_models(client)
        pipe = client.pipeline(transaction=True)  # no hour closes between the replies
        for key in (
            keys.CLOCK,
            keys.CITY,
            keys.QUALITY,
            keys.GATE,
            keys.ON_HOUR,
            *(keys.model(name) for name in run.models),
            *(keys.submitted_model(name) for name in names),
            *(keys.horizon(horizon) for horizon in run.horizons_ahead),
        ):
            pipe.hgetall(key)
        pipe.xrevrange(keys.CITY_HOURLY, count=1)
        pipe.zrevrange(keys.BOARD_MAE, 0, WORST_ZONES - 1, withscores=True)
        clock, city, quality, gate, on_hour, *models, hourly, board = pipe.execute()
        submitted, horizons = models[len(run.models) :], models[len(run.models) + len(names) :]
        return cls(
            run=run,
            clock=ClockStatus.from_fields(clock),
            last_closed_ts=last_hour_of(hourly),
            city=city,
            quality=quality,
            models=dict(zip(run.models, models, strict=False)),
            submitted=dict(zip(names, submitted, strict=False)),
            worst=tuple(_zone_row(client, int(zone), mae) for zone, mae in board),
            read_ts=wall_ts(),
            gate=GateStatus.from_fields(gate),
            on_hour=HourCommand.from_fields(on_hour),
            horizons=dict(zip(run.horizons_ahead, horizons, strict=True)),
        )

    @property
    def hours_closed(self) -> int:
        """How many hours are counted, scored and in Redis."""
        return self.count("hours_closed")

    @property
    def now_ts(self) -> int | None:
        """Simulated time (epoch ms), at least the end of the last closed hour."""
        return None if self.clock is None else simulated_ts(self.clock, self.last_closed_ts)

    @property
    def silent_s(self) -> float | None:
        """How long ago the producer last reported, in seconds, if it should have since.

        None while it reports, and once its work is over. It is silent if it has died or hangs, or
        waits for Kafka at the end of the run.
        """
        if self.clock is None or self.clock.has_ended:
            return None
        silent_s = (self.read_ts - self.clock.heartbeat_ts) / SECOND_MS
        return silent_s if silent_s > SILENT_AFTER_S else None

    @property
    def awaited_s(self) -> float:
        """For how long gates have been awaited, in seconds; 0 if none is, or the run has ended."""
        if self.clock is not None and self.clock.has_ended:
            return 0.0
        return self.gate.waited_s(self.read_ts)

    @property
    def served(self) -> str:
        """Name of the served model."""
        return self.run.models[0]

    @property
    def rejected(self) -> dict[str, int]:
        """Rows of the trip file that were rejected: reason -> rows."""
        return {
            field.removeprefix(_REJECTED): int(count)
            for field, count in self.quality.items()
            if field.startswith(_REJECTED)
        }

    @property
    def rejected_submissions(self) -> dict[str, int]:
        """Submitted predictions that were rejected: reason -> number."""
        return rejected_submissions(self.quality)

    @property
    def overlap(self) -> float | None:
        """Scored pairs by due pairs of zones and hours; None before the first."""
        return number(self.quality.get("overlap"))

    @property
    def next_prediction(self) -> float | None:
        """Rides that are predicted for the whole city in the next hour."""
        return number(self.city.get("next_prediction"))

    def count(self, field: str) -> int:
        """Return a count of the hash `quality`; 0 before it is written."""
        return int(self.quality.get(field, 0))

    def at(self, horizon: int) -> "RunView":
        """Return the view of the models that forecast so far ahead: the served one, the reference.

        The same hour of last week is known at any horizon, so the reference is always the same.

        Raises
        ------
        UsageError
            If the run does not forecast so far ahead.
        """
        check_horizon(self.run, horizon)
        if horizon == NEXT_HOUR:
            return self
        scores = {name: self.models[name] for name in (REFERENCE,) if name in self.models}
        return replace(
            self,
            run=replace(self.run, models=(self.served, *scores), horizons=ONLY_THE_NEXT_HOUR),
            models={self.served: self.horizons[horizon]} | scores,
            submitted={},
            horizons={},
        )

    def score_ahead(self, horizon: int, field: str) -> float | None:
        """Return a rolling score of the served model so many hours ahead, as `score` does."""
        if horizon == NEXT_HOUR:
            return self.score(self.served, field)
        return number(self.horizons.get(horizon, {}).get(field))

    def score(self, model: str, field: str) -> float | None:
        """Return a rolling score of a model, such as `mae_24h`; None if it is not known yet."""
        fields = self.models.get(model) or self.submitted.get(model, {})
        return number(fields.get(field))


def read_hours_closed(client: redis.Redis) -> int:
    """Return how many hours are closed, without reading the whole run."""
    return int(cast(str | None, client.hget(keys.QUALITY, "hours_closed")) or 0)


def number(text: str | None) -> float | None:
    """Return a figure of Redis; None if it is missing or not known yet.

    >>> number("2.5"), number("n/a"), number(None)
    (2.5, None, None)
    """
    return None if text in {None, "", keys.NOT_KNOWN} else float(text)


def _zone_row(client: redis.Redis, zone: int, mae: float) -> ZoneRow:
    fields = read_hash(client, keys.zone(zone))
    rides = number(fields.get("rides"))
    return ZoneRow(
        zone,
        fields.get("name", ""),
        mae,
        None if rides is None else int(rides),
        number(fields.get("next_prediction")),
    )
