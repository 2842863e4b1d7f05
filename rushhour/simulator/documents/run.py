"""Documents about a run: its state, its models, its zones, its closed hours, its report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.gate import HourCommand
from rushhour.core.hours import HOUR_MS, parse_label, to_datetime
from rushhour.core.run import RunInfo
from rushhour.simulator.documents import objects, schema
from rushhour.simulator.documents.scores import scores_document
from rushhour.simulator.evaluation.scoring import Evaluation
from rushhour.simulator.run_view import RunView, number
from rushhour.simulator.stack.child_process import Cost
from rushhour.simulator.stack.profile import Part
from rushhour.simulator.started import Times
from rushhour.storage.ahead import ZoneAhead
from rushhour.storage.closed_hours import ClosedHour

_ZONE_SCORES = tuple(
    f"{figure}_{window}"
    for figure in ("mae", "rmse", "bias", "skill", "coverage")
    for window in ("24h", "168h")
)
_MODEL_SCORES = (*_ZONE_SCORES, "deviance_24h", "deviance_168h", "wis_24h", "wis_168h")


def hour_fields(hour_ts: int | None) -> dict[str, Any]:
    """Return the two fields of an hour (epoch ms), for any document."""
    return {
        "pickup_hour": None if hour_ts is None else to_datetime(hour_ts),
        "pickup_ts": hour_ts,
    }


def run_document(run: RunInfo) -> objects.Run:
    """Return what is replayed."""
    return objects.Run(
        run_id=run.run_id,
        dataset=run.dataset,
        month=run.month,
        source=run.source,
        is_synthetic=run.synthetic,
        surge=run.surge or None,
        start_ts=run.start_ts,
        end_ts=None if run.loop_ts is not None else run.end_ts,
        hours=hours_of(run),
        loop_weeks=run.loop_weeks or None,
        keep_hours=run.keep_hours,
        shift_weeks=run.shift_weeks,
        warm_start=_warm_start(run),
        dataflows=run.dataflows,
        consumers=run.consumers,
        models=list(run.models),
        horizons=list(run.horizons),
    )


def _warm_start(run: RunInfo) -> objects.WarmStart | None:
    if not run.warm_sha256:
        return None
    return objects.WarmStart(
        file=run.warm_start,
        sha256=run.warm_sha256,
        hours=run.warm_hours,
        origin=run.warm_origin,
    )


def hours_of(run: RunInfo) -> int | None:
    """Return the hours of a run; None for a loop, which has no end."""
    return None if run.loop_ts is not None else run.hours


def status_document(view: RunView, location: objects.Location) -> schema.Status:
    """Return the state of a run."""
    clock, now = view.clock, view.now_ts
    return schema.Status(
        run=run_document(view.run),
        location=location,
        state=clock.state if clock else "starting",
        producer_silent_s=view.silent_s,
        speed=clock.speed if clock else None,
        simulated_time=None if now is None else to_datetime(now),
        simulated_ts=now,
        original_ts=clock.original_ts if clock else None,
        command_error=(clock.command_error or None) if clock else None,
        gate=_gate(view) if view.gate.gates else None,
        on_hour=None if view.on_hour is None else _hour_command(view.on_hour),
        last_closed=objects.Hour(**hour_fields(view.last_closed_ts)),
        counts=_counts(view),
        models=[_rolling_score(view, model) for model in view.run.models],
        worst_zones=[
            objects.WorstZone(
                pickup_location_id=row.id,
                name=row.name,
                mae_24h=row.mae_24h,
                rides=row.rides,
                next_predicted_demand=row.next_prediction,
            )
            for row in view.worst
        ],
    )


def _gate(view: RunView) -> objects.Gate:
    gate = view.gate
    return objects.Gate(
        gates=list(gate.gates),
        awaited=list(gate.awaited),
        hour=objects.Hour(**hour_fields(gate.hour_ts)),
        awaited_s=round(view.awaited_s, 3),
        refused=gate.refused,
        refusal=gate.refusal or None,
    )


def _hour_command(command: HourCommand) -> objects.HourCommand:
    return objects.HourCommand(
        command=command.command,
        hour=objects.Hour(**hour_fields(command.hour_ts)),
        state=command.state,
        reason=command.reason or None,
        output=command.output.splitlines(),
    )


def models_document(view: RunView, ranking: list[str]) -> schema.Models:
    """Return the models of a run in the order of `ranking`."""
    return schema.Models(
        run=run_document(view.run),
        last_closed=objects.Hour(**hour_fields(view.last_closed_ts)),
        models=[_rolling_score(view, model) for model in ranking],
        horizons=[
            objects.RollingHorizon(
                horizon=horizon,
                **{name: view.score_ahead(horizon, name) for name in _MODEL_SCORES},
            )
            for horizon in (view.run.horizons if view.run.horizons_ahead else ())
        ],
    )


def zone_document(
    zone: int, fields: Mapping[str, str], ahead: Sequence[ZoneAhead] = ()
) -> schema.Zone:
    """Return one zone, given its hash in Redis and its forecasts beyond the next hour."""
    hour, following = (_parse(fields.get(name)) for name in ("hour", "next_hour"))
    next_hour = hour_fields(following)
    rides = number(fields.get("rides"))
    names = {
        "predicted_demand": "prediction",
        "predicted_median": "median",
        "lower": "lower",
        "upper": "upper",
        "prediction_error": "error",
        "next_predicted_demand": "next_prediction",
        "next_predicted_median": "next_median",
        "next_lower": "next_lower",
        "next_upper": "next_upper",
    } | {name: name for name in _ZONE_SCORES}
    return schema.Zone(
        **hour_fields(hour),
        pickup_location_id=zone,
        name=fields["name"],
        borough=fields["borough"],
        rides=None if rides is None else int(rides),
        next_pickup_hour=next_hour["pickup_hour"],
        next_pickup_ts=next_hour["pickup_ts"],
        ahead=[
            objects.HourAhead(
                **hour_fields(each.hour_ts),
                horizon=each.horizon,
                predicted_demand=each.mean,
                predicted_median=each.median,
                lower=each.lower,
                upper=each.upper,
            )
            for each in ahead
        ],
        **_figures(fields, names),
    )


def closed_hour_document(run: RunInfo, fields: Mapping[str, str]) -> schema.ClosedHour:
    """Return one closed hour of the city, given its entry of the stream `city:hourly`."""
    hour_ts = parse_label(fields["hour"])
    return schema.ClosedHour(
        **hour_fields(hour_ts),
        rides=int(fields["rides"]),
        predicted_demand=number(fields["prediction"]),
        prediction_error=number(fields["error"]),
        mae=number(fields["mae"]),
        coverage=number(fields["coverage"]),
        hours_closed=(hour_ts - run.start_ts) // HOUR_MS + 1,
        hours=hours_of(run),
    )


def stepped_hour_document(run: RunInfo, hour: ClosedHour) -> schema.SteppedHour:
    """Return one closed hour of the city with the zones of largest error."""
    closed = closed_hour_document(run, hour.fields)
    return schema.SteppedHour(
        **{name: getattr(closed, name) for name in closed.__struct_fields__},
        worst_zones=[
            objects.ZoneError(
                pickup_location_id=zone.zone,
                name=zone.name,
                rides=zone.rides,
                predicted_demand=zone.prediction,
                prediction_error=zone.error,
            )
            for zone in hour.worst
        ],
    )


def now_document(ts: int) -> schema.Now:
    """Return simulated time (epoch ms)."""
    return schema.Now(simulated_time=to_datetime(ts), simulated_ts=ts)


def clock_document(clock: ClockStatus) -> schema.Clock:
    """Return the simulated clock."""
    return schema.Clock(
        state=clock.state,
        speed=clock.speed,
        simulated_time=to_datetime(clock.now_ts),
        simulated_ts=clock.now_ts,
        pause_at_ts=clock.pause_at_ts,
        fast_until_ts=clock.fast_until_ts,
    )


def report_document(
    view: RunView,
    evaluation: Evaluation,
    costs: Mapping[str, Cost | None],
    times: Times,
    profile: Sequence[Part] | None,
) -> schema.Report:
    """Return the report at the end of a run."""
    wall_s = times.wall_s
    trips = view.clock.trips if view.clock else 0
    return schema.Report(
        run=run_document(view.run),
        counts=_counts(view),
        scores=scores_document(evaluation),
        wall_s=round(wall_s, 3),
        first_hour_s=None if times.first_hour_s is None else round(times.first_hour_s, 3),
        trips=trips,
        trips_per_s=round(trips / wall_s, 1),
        processes=[
            objects.Process(
                name=name, cpu_s=round(cost.cpu_s, 3), peak_memory_bytes=cost.peak_bytes
            )
            for name, cost in costs.items()
            if cost is not None
        ],
        profile=None if profile is None else [_part(part) for part in profile],
    )


def run_report_document(
    view: RunView, evaluation: Evaluation, html: Path | None
) -> schema.RunReport:
    """Return the report on the closed hours of a run."""
    return schema.RunReport(
        run=run_document(view.run),
        last_closed=objects.Hour(**hour_fields(view.last_closed_ts)),
        counts=_counts(view),
        scores=scores_document(evaluation),
        html_file=None if html is None else str(html),
    )


def _part(part: Part) -> objects.Part:
    cost, other_threads_s = part.cost, part.other_threads_s
    return objects.Part(
        name=part.name,
        cpu_user_s=None if cost is None else round(cost.user_s, 3),
        cpu_system_s=None if cost is None else round(cost.system_s, 3),
        cpu_other_threads_s=None if other_threads_s is None else round(other_threads_s, 3),
        peak_memory_bytes=None if cost is None else cost.peak_bytes,
        messages_in=part.messages_in,
        messages_out=part.messages_out,
        bytes_in=part.bytes_in,
        bytes_out=part.bytes_out,
        waits=[
            objects.Wait(reason=reason, seconds=round(seconds, 3))
            for reason, seconds in part.waited_s.items()
        ],
    )


def _counts(view: RunView) -> objects.Counts:
    return objects.Counts(
        hours_closed=view.hours_closed,
        rides=view.count("rides"),
        rejected_rows=sum(view.rejected.values()),
        rejected_by_reason=view.rejected,
        pairs_scored=view.count("pairs_scored"),
        pairs_due=view.count("pairs_due"),
        overlap_ratio=view.overlap,
        alerts=view.count("alerts"),
    )


def _rolling_score(view: RunView, model: str) -> objects.RollingScore:
    return objects.RollingScore(
        model=model,
        is_served=model == view.served,
        is_submitted=model in view.submitted,
        **{name: view.score(model, name) for name in _MODEL_SCORES},
    )


def _figures(fields: Mapping[str, str], names: Mapping[str, str]) -> dict[str, Any]:
    """Return figures of a hash: name in the document -> figure, given the names of the fields."""
    return {name: number(fields.get(field)) for name, field in names.items()}


def _parse(label: str | None) -> int | None:
    return None if label in {None, "", keys.NOT_KNOWN} else parse_label(label)
