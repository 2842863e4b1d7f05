"""The document that each command prints with `--json`; docs/reference.md is generated from here."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from rushhour.simulator.documents.manifest import Manifest
from rushhour.simulator.documents.manifest_differences import ManifestDifference
from rushhour.simulator.documents.objects import (
    Bias,
    Counts,
    Coverage,
    Document,
    Error,
    Gate,
    Hour,
    HourAhead,
    HourCommand,
    JoinFinding,
    Location,
    Lower,
    Mae,
    Median,
    Number,
    Part,
    Predicted,
    Process,
    Rmse,
    RollingHorizon,
    RollingScore,
    Run,
    Scores,
    Skill,
    TableFile,
    Upper,
    WorstZone,
    ZoneError,
)


class Status(Document, frozen=True, kw_only=True):
    """`rushhour status --json`: one object."""

    run: Run
    location: Location
    state: Annotated[
        str,
        Meta(
            description="`starting`, `running`, `throttled`, `waiting`, `paused`, `stopped` or "
            "`finished`"
        ),
    ]
    producer_silent_s: Annotated[
        float | None,
        Meta(description="seconds since the producer was last heard of, if over 10 and not ended"),
    ]
    speed: Annotated[str | None, Meta(description="the requested speed, as for `--speed`")]
    simulated_time: Annotated[datetime | None, Meta(description="simulated now, RFC 3339")]
    simulated_ts: Annotated[int | None, Meta(description="simulated now, epoch milliseconds")]
    original_ts: Annotated[
        int | None, Meta(description="the time in the trip file that plays now, epoch milliseconds")
    ]
    command_error: Annotated[
        str | None, Meta(description="why the last command to the clock was refused")
    ]
    gate: Annotated[Gate | None, Meta(description="null without gates")]
    on_hour: Annotated[
        HourCommand | None,
        Meta(description="the command of `--on-hour` while it runs, or after it has failed"),
    ]
    last_closed: Hour
    counts: Counts
    models: list[RollingScore]
    worst_zones: list[WorstZone]


class Models(Document, frozen=True, kw_only=True):
    """`rushhour models --json`: one object; the best model of the last 168 h comes first."""

    run: Run
    last_closed: Hour
    models: list[RollingScore]
    horizons: Annotated[
        list[RollingHorizon],
        Meta(description="the served model at each of `--horizons`; empty without it"),
    ]


class Zone(Hour, frozen=True, kw_only=True):
    """`rushhour zone --json`: one object. Its hour is the latest closed one."""

    pickup_location_id: int
    name: str
    borough: str
    rides: Annotated[int | None, Meta(description="rides in the hour")]
    predicted_demand: Predicted
    predicted_median: Median
    lower: Lower
    upper: Upper
    prediction_error: Error
    next_pickup_hour: Annotated[
        datetime | None, Meta(description="start of the next hour, RFC 3339")
    ]
    next_pickup_ts: Annotated[int | None, Meta(description="the same, epoch milliseconds")]
    next_predicted_demand: Annotated[Number, Meta(description="rides predicted for the next hour")]
    next_predicted_median: Annotated[Number, Meta(description="median of the next hour's rides")]
    next_lower: Annotated[Number, Meta(description="lower end of its 90 % interval, rides")]
    next_upper: Annotated[Number, Meta(description="upper end of its 90 % interval, rides")]
    ahead: Annotated[
        list[HourAhead], Meta(description="hours after the next one; empty without `--horizons`")
    ]
    mae_24h: Mae
    mae_168h: Mae
    rmse_24h: Rmse
    rmse_168h: Rmse
    bias_24h: Bias
    bias_168h: Bias
    skill_24h: Skill
    skill_168h: Skill
    coverage_24h: Coverage
    coverage_168h: Coverage


class Comparison(Hour, frozen=True, kw_only=True):
    """`rushhour compare --json`: one line for each hour and zone."""

    pickup_location_id: int
    predicted_demand: Predicted
    rides: Annotated[int, Meta(description="actual rides")]
    prediction_error: Error
    predicted_median: Median
    lower: Lower
    upper: Upper


class Alert(Hour, frozen=True, kw_only=True):
    """`rushhour alerts --json`: one line for each alert, the newest first."""

    pickup_location_id: int
    name: Annotated[str, Meta(description="name of the zone")]
    direction: Annotated[str, Meta(description="`above` or `below`: rides against predictions")]
    relative_change: Annotated[
        float, Meta(description="rides of the last hours / their predictions - 1")
    ]


class ClosedHour(Hour, frozen=True, kw_only=True):
    """`rushhour watch --json`: one line for each closed hour of the whole city, in order."""

    rides: int
    predicted_demand: Predicted
    prediction_error: Error
    mae: Annotated[Number, Meta(description="mean absolute error of the zones, rides")]
    coverage: Annotated[Number, Meta(description="share of zones within their intervals, 0 to 1")]
    hours_closed: Annotated[int, Meta(description="hours closed so far, with this one")]
    hours: Annotated[int | None, Meta(description="hours of the run; null for a loop")]


class Check(Document, frozen=True, kw_only=True):
    """`rushhour verify --json`: one line for each check."""

    name: str
    status: Annotated[str, Meta(description="`ok`, `fail`, or `note`: neither right nor wrong")]
    detail: str


class Diagnosis(Document, frozen=True, kw_only=True):
    """`rushhour doctor --json`: one object."""

    predictions: Annotated[str, Meta(description="the file of the predictions")]
    actuals: Annotated[str, Meta(description="the file of the actual rides, or the run")]
    rows: Annotated[int, Meta(description="rows of the predictions")]
    joined: Annotated[int, Meta(description="rows that join as they are")]
    rows_mended: Annotated[int, Meta(description="rows after all certain cures")]
    joined_mended: Annotated[int, Meta(description="rows that join after all certain cures")]
    findings: list[JoinFinding]
    notes: Annotated[
        list[JoinFinding], Meta(description="what keeps no row from joining, such as missing zones")
    ]
    mended_file: Annotated[
        str | None, Meta(description="what `--fix` has written; null if nothing")
    ]


class Export(Document, frozen=True, kw_only=True):
    """`rushhour export --json`: one object."""

    run: Run
    last_closed: Hour
    hours_closed: Annotated[int, Meta(description="hours whose rides are exported")]
    directory: Annotated[str, Meta(description="as it was given")]
    files: list[TableFile]


class RunReport(Document, frozen=True, kw_only=True):
    """`rushhour report --json`: one object, over the hours that are closed."""

    run: Run
    last_closed: Hour
    counts: Counts
    scores: Scores
    html_file: Annotated[str | None, Meta(description="what `--html` has written; null without")]


class Skipped(Document, frozen=True, kw_only=True):
    """`rushhour skip --json`: one object."""

    topic: str
    partition: int
    offset: int
    since: Annotated[datetime, Meta(description="when it was told to pass over, RFC 3339")]
    restart: Annotated[str, Meta(description="the process to restart: `dataflow` or `consumer`")]


class Submitted(Document, frozen=True, kw_only=True):
    """`rushhour submit --json`: one object, once the run has judged the predictions."""

    model: str
    sent: Annotated[int, Meta(description="predictions of the file")]
    taken: Annotated[int, Meta(description="those that are scored when their hours close")]
    rejected_by_reason: Annotated[
        dict[str, int], Meta(description="reason -> predictions, as in `quality`")
    ]


class DeadLetter(Document, frozen=True, kw_only=True):
    """`rushhour dead-letters --json`: one line for each rejected record, the newest first."""

    topic: str
    partition: int
    offset: int
    time: Annotated[datetime, Meta(description="timestamp of the record on Kafka, RFC 3339")]
    reason: Annotated[
        str,
        Meta(
            description="`undecodable`, `out_of_bounds`, `wrong_partition` or `skipped`; of "
            "`submissions` also those of [its table](#submissions)"
        ),
    ]
    detail: Annotated[str, Meta(description="what is wrong with it, in words; may be empty")]
    process: Annotated[str, Meta(description="which process rejected it, such as `dataflow-0`")]
    key: Annotated[str | None, Meta(description="null without a key; `\\xff` for other bytes")]
    value: Annotated[str | None, Meta(description="null without a value")]


class Setting(Document, frozen=True, kw_only=True):
    """`rushhour config --json`: one line for each setting."""

    name: str
    value: Annotated[str | None, Meta(description="without passwords; null if not set")]
    source: Annotated[str, Meta(description="`flag`, `environment` or `default`")]
    environment_variable: str
    flag: Annotated[str | None, Meta(description="null if the setting has only a variable")]


class Download(Document, frozen=True, kw_only=True):
    """`rushhour download --json`: one line for each month."""

    dataset: str
    month: str
    path: Annotated[str, Meta(description="where the file is")]
    size_bytes: int


class Prepared(Document, frozen=True, kw_only=True):
    """`rushhour prepare --json`: one object."""

    run: Run
    state: Annotated[str, Meta(description="`new`, `resumed` or `finished`")]
    hours_closed: int
    partitions: Annotated[int, Meta(description="partitions of the topics")]


class Clock(Document, frozen=True, kw_only=True):
    """The commands to the clock with `--json`: one object, the clock afterwards."""

    state: Annotated[str, Meta(description="as in `status`")]
    speed: Annotated[str, Meta(description="the requested speed, as for `--speed`")]
    simulated_time: Annotated[datetime, Meta(description="simulated now, RFC 3339")]
    simulated_ts: Annotated[int, Meta(description="simulated now, epoch milliseconds")]
    pause_at_ts: Annotated[
        int | None, Meta(description="where the clock will pause, epoch milliseconds")
    ]
    fast_until_ts: Annotated[
        int | None, Meta(description="until where it runs at full speed, epoch milliseconds")
    ]


class SteppedHour(ClosedHour, frozen=True, kw_only=True):
    """`rushhour step --json`: one line for each hour, as it is closed.

    `until` and `seek` with `--wait --json` print the same.
    """

    worst_zones: Annotated[list[ZoneError], Meta(description="the largest error first")]


class Now(Document, frozen=True, kw_only=True):
    """`rushhour now --json`: one object."""

    simulated_time: Annotated[datetime, Meta(description="simulated now, RFC 3339")]
    simulated_ts: Annotated[int, Meta(description="simulated now, epoch milliseconds")]


class Acknowledged(Hour, frozen=True, kw_only=True):
    """`rushhour ack --json`: one object. Its hour is the last that the gate has acknowledged."""

    gate: str
    awaited: Annotated[list[str], Meta(description="the gates that are still awaited")]


class Served(Document, frozen=True, kw_only=True):
    """`rushhour redis --json`: one object, printed as soon as the Redis answers."""

    location: Location
    redis_url: Annotated[str, Meta(description="URL of the Redis, without its password")]


class Reply(Document, frozen=True, kw_only=True):
    """`rushhour redis COMMAND --json`: one object."""

    reply: Annotated[Any, Meta(description="what Redis answers; a hash is an object")]


class Report(Document, frozen=True, kw_only=True):
    """`rushhour up --json`: one object, at the end of the run."""

    run: Run
    counts: Counts
    scores: Scores
    wall_s: Annotated[
        float,
        Meta(
            description="seconds from the start of the command until every process of the pipeline "
            "had ended; the report and the saving of Redis follow"
        ),
    ]
    first_hour_s: Annotated[
        Number, Meta(description="the same until the first hour was closed, to 0.05 s")
    ]
    trips: Annotated[int, Meta(description="trips sent")]
    trips_per_s: Annotated[float, Meta(description="trips sent per second of wall time")]
    processes: list[Process]
    profile: Annotated[list[Part] | None, Meta(description="null without `--profile`")]


class Model(Document, frozen=True, kw_only=True):
    """`rushhour model --json`: one object, what a saved model has learned."""

    file: Annotated[str, Meta(description="as it was given")]
    sha256: str
    version: Annotated[str, Meta(description="which version saved it")]
    dataset: Annotated[str, Meta(description="`yellow` or `green`")]
    origin: Annotated[str, Meta(description="what it has learned, in words")]
    hours: Annotated[int, Meta(description="hours that it has learned, of all runs")]
    next_hour: Annotated[
        datetime, Meta(description="the hour after the last one learned, RFC 3339 (UTC)")
    ]
    next_ts: Annotated[int, Meta(description="the same, epoch milliseconds")]


class Backtest(Document, frozen=True, kw_only=True):
    """`rushhour backtest --json`: one object."""

    source: Annotated[str, Meta(description="what was replayed, in words")]
    warm_start: Annotated[
        str | None, Meta(description="what the saved model had learned that it began with")
    ]
    start_ts: Annotated[int, Meta(description="first instant, epoch milliseconds")]
    end_ts: Annotated[int, Meta(description="end of the last hour, epoch milliseconds")]
    hours: int
    rides: int
    alerts: Annotated[int, Meta(description="drift alerts")]
    read_s: Annotated[float, Meta(description="time to read the rides, seconds")]
    replay_s: Annotated[float, Meta(description="time to forecast and learn, seconds")]
    scores: Scores


DOCUMENTS: tuple[type[Document], ...] = (
    Report, Prepared, ClosedHour, SteppedHour, Clock, Now, Acknowledged, Status, Models, Zone,
    Comparison, Alert, Check, Diagnosis, RunReport, Export, Skipped, Submitted, DeadLetter, Served,
    Model, Backtest, Download, Setting, Manifest, ManifestDifference,
)  # fmt: skip
