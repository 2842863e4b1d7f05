"""Reads what the monitoring page shows: each closed hour once, and one pipeline a request."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure
from rushhour.core.hours import HOUR_MS
from rushhour.core.run import RunInfo
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE, ZONE_IDS, zones
from rushhour.scoring.errors import ErrorSums
from rushhour.simulator.web.monitoring.hour_scores import HourScores, score_hour, zone_sums
from rushhour.simulator.web.monitoring.windows import (
    ROLLING_HOURS,
    Number,
    model_scores,
    window_scores,
    zone_scores,
)
from rushhour.simulator.web.reading.figures import execute, number
from rushhour.simulator.web.reading.history import HOURS_OF, alert_of, read_city
from rushhour.simulator.web.reading.run_facts import run_facts
from rushhour.storage.clock import last_hour_of
from rushhour.storage.read_hours import read_hours
from rushhour.storage.runs import load_run
from rushhour.storage.submissions import (
    MODELS,
    SCORED,
    model_names,
    read_submitted,
    rejected_submissions,
)

# Hours that one request reads at most: about a second. The page asks again for the others.
HOURS_AT_ONCE = 200
ALERTS_SHOWN = 50
_LATE = "late"
_REJECTED = "rejected:"


@dataclass(frozen=True, slots=True)
class _Moment:
    """What one pipeline says about the run: enough to know whether anything has changed."""

    run_id: str
    last_ts: int | None
    quality: tuple[tuple[str, str], ...]
    submitted: tuple[str, ...]
    scored_ts: int


@dataclass(slots=True)
class _Kept:
    """What was read of one run."""

    run: RunInfo
    hours: dict[int, HourScores] = field(default_factory=dict)
    submitted: dict[str, dict[int, ErrorSums]] = field(default_factory=dict)
    documents: dict[str, tuple[_Moment, dict[str, Any]]] = field(default_factory=dict)

    def forget(self, first: int) -> None:
        """Forget the hours before one (epoch ms): Redis does not keep them any longer."""
        for hour in [hour for hour in self.hours if hour < first]:
            del self.hours[hour]
            for sums in self.submitted.values():
                sums.pop(hour, None)


class Monitor:
    """The scores of a run, for all pages that show them.

    An hour that is closed never changes: its tables are read once, and reduced to sums.
    """

    def __init__(
        self, hours_at_once: int = HOURS_AT_ONCE, alerts_shown: int = ALERTS_SHOWN
    ) -> None:
        self._hours_at_once = hours_at_once
        self._alerts_shown = alerts_shown
        self._lock = threading.Lock()
        self._kept: _Kept | None = None

    def read(self, client: redis.Redis, window: str) -> dict[str, Any]:
        """Return the scores of a window, `24h`, `7d` or `all`, of the run that Redis holds.

        `hours_missing` is how many hours of it are not read yet: whoever asks again gets more. They
        are its first, so that the newest hours are there at once.

        Raises
        ------
        RedisFailure
            If Redis holds no run.
        """
        moment = _read_moment(client)
        with self._lock:
            kept = self._kept
            if kept is None or kept.run.run_id != moment.run_id:
                kept = self._kept = _Kept(_run_of(client, moment))
            known = kept.documents.get(window)
            if known is not None and known[0] == moment and not known[1]["hours_missing"]:
                return known[1]
            document = self._document(client, kept, moment, window)
            kept.documents[window] = moment, document
            return document

    def zones(self) -> dict[str, list[Number]]:
        """Return rides and errors of each zone over all hours that were read, by id of the zone."""
        kept = self._kept
        return zone_scores([] if kept is None else list(kept.hours.values()))

    def _document(
        self, client: redis.Redis, kept: _Kept, moment: _Moment, window: str
    ) -> dict[str, Any]:
        hours = _hours_of(kept.run, moment.last_ts, window)
        oldest = kept.run.first_kept(hours.stop)
        kept.forget(oldest)
        first = max(oldest, hours.start - (ROLLING_HOURS - 1) * HOUR_MS)
        self._read_hours(client, kept, range(first, hours.stop, HOUR_MS), moment)
        found = [kept.hours[hour] for hour in hours if hour in kept.hours]
        city = read_city(client, window)
        facts = run_facts(kept.run, moment.submitted)
        return {
            "run_id": moment.run_id,
            "window": window,
            "last_ts": moment.last_ts,
            "hours": len(hours),
            "hours_missing": len(hours) - len(found),
            "pickup_ts": list(hours),
            "city": {name: city[name] for name in ("pickup_ts", "rides", "predicted")},
            "models": [
                {"name": name, "kind": kind, **model_scores(_sums(kept, name), hours)}
                for name, kind in _kinds(facts["models"])
            ],
            **window_scores(found),
            "alerts": _alerts(client, hours, self._alerts_shown),
            "quality": _quality(dict(moment.quality)),
        }

    def _read_hours(self, client: redis.Redis, kept: _Kept, hours: range, moment: _Moment) -> None:
        missing = [hour for hour in reversed(hours) if hour not in kept.hours]
        wanted = sorted(missing[: self._hours_at_once])
        for tables in read_hours(client, kept.run, wanted, alerts=False):
            if tables.is_closed():  # else it was removed meanwhile
                kept.hours[tables.hour_ts] = score_hour(tables)
        for name in moment.submitted:
            sums = kept.submitted.setdefault(name, {})
            scored = [
                hour
                for hour in hours
                if hour in kept.hours and hour not in sums and hour <= moment.scored_ts
            ]
            if scored:
                predicted = read_submitted(client, name, scored)
                rides_of = read_hours(client, kept.run, scored, alerts=False)
                for tables, column in zip(rides_of, predicted, strict=True):
                    sums[tables.hour_ts] = zone_sums(tables, column, column).sum()


def _read_moment(client: redis.Redis) -> _Moment:
    pipe = client.pipeline(transaction=True)  # no hour closes between the replies
    pipe.hget(keys.RUN, "run_id")
    pipe.xrevrange(keys.CITY_HOURLY, count=1)
    pipe.hgetall(keys.QUALITY)
    pipe.hmget(keys.SUBMISSIONS, MODELS, SCORED)
    run_id, hourly, quality, (submitted, scored) = execute(pipe)
    if run_id is None:
        load_run(client)  # says why there is none
        raise RedisFailure("this Redis holds no run: start one with `rushhour up`")
    names = model_names(submitted)
    return _Moment(run_id, last_hour_of(hourly), tuple(quality.items()), names, int(scored or 0))


def _run_of(client: redis.Redis, moment: _Moment) -> RunInfo:
    run = load_run(client)
    if run.run_id != moment.run_id:
        raise RedisFailure("another run has just started")
    return run


def _hours_of(run: RunInfo, last_ts: int | None, window: str) -> range:
    """Return the closed hours of a window that Redis keeps."""
    end = run.start_ts if last_ts is None else last_ts + HOUR_MS
    length = HOURS_OF.get(window)
    kept = run.first_kept(end)
    return range(kept if length is None else max(kept, end - length * HOUR_MS), end, HOUR_MS)


def _sums(kept: _Kept, model: str) -> dict[int, ErrorSums]:
    if model in kept.submitted:
        return kept.submitted[model]
    return {hour: each.by_model[model] for hour, each in kept.hours.items()}


def _kinds(models: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield each model with its kind, the served one first."""
    if models["served"] is not None:
        yield models["served"], "served"
    for kind, names in (("challenger", "challengers"), ("baseline", "baselines"),
                        ("submitted", "submitted")):  # fmt: skip
        for name in models[names]:
            yield name, kind


def _alerts(client: redis.Redis, hours: range, most: int) -> list[dict[str, Any]]:
    """Return the last alerts of some hours, the newest first."""
    if not hours:
        return []
    last = f"{hours[-1]}-{LAST_ZONE}"  # ids are hours and zones
    entries = client.xrevrange(keys.ALERTS, last, f"{hours[0]}-0", count=most)
    return [
        alert | {"name": zones()[alert["zone"] - FIRST_ZONE].name}
        for alert in (alert_of(*entry) for entry in cast(list[Any], entries))
        if alert["zone"] in ZONE_IDS
    ]


def _quality(fields: dict[str, str]) -> dict[str, Any]:
    """Return the counts of rows, pairs and rejected records, given the hash `quality`."""
    submissions = rejected_submissions(fields)
    return {
        "rows_read": number(fields.get("rows_read")),
        "rides": number(fields.get("rides")),
        "rejected_rows": {
            name.removeprefix(_REJECTED): number(count)
            for name, count in fields.items()
            if name.startswith(_REJECTED)
        },
        "late_submissions": submissions.pop(_LATE, 0),
        "rejected_submissions": submissions,
        "pairs_due": number(fields.get("pairs_due")),
        "pairs_scored": number(fields.get("pairs_scored")),
        "overlap": number(fields.get("overlap")),
        "alerts": number(fields.get("alerts")),
    }
