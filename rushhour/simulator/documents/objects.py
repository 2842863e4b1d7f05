"""What the documents of several commands have in common: fields with their units, and objects.

A figure that is not known is null.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

Number = float | None
Mae = Annotated[Number, Meta(description="mean absolute error of the median, rides per hour")]
Rmse = Annotated[Number, Meta(description="root mean squared error, rides per hour")]
Bias = Annotated[Number, Meta(description="mean of predicted minus actual rides per hour")]
Deviance = Annotated[Number, Meta(description="mean Poisson deviance")]
Wis = Annotated[Number, Meta(description="weighted interval score, rides per hour")]
Skill = Annotated[Number, Meta(description="1 - MAE / MAE of `same_hour_last_week`")]
Coverage = Annotated[Number, Meta(description="share of rides within the intervals, 0 to 1")]
Lower = Annotated[Number, Meta(description="lower end of the 90 % interval, rides")]
Upper = Annotated[Number, Meta(description="upper end of the 90 % interval, rides")]
Predicted = Annotated[Number, Meta(description="expected rides of the hour, as predicted")]
Median = Annotated[Number, Meta(description="median of the rides, as predicted")]
Error = Annotated[Number, Meta(description="`predicted_demand` minus actual rides")]
Time = Annotated[datetime | None, Meta(description="RFC 3339, UTC")]
Ts = Annotated[int | None, Meta(description="epoch milliseconds")]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One JSON object."""


class Hour(Document, frozen=True, kw_only=True):
    """An hour of event time, named by its first instant."""

    pickup_hour: Annotated[datetime | None, Meta(description="start of the hour, RFC 3339 (UTC)")]
    pickup_ts: Annotated[int | None, Meta(description="the same instant, epoch milliseconds")]


class WarmStart(Document, frozen=True, kw_only=True):
    """The saved model that a run begins with."""

    file: str
    sha256: str
    hours: Annotated[int, Meta(description="hours that it has learned, of all runs")]
    origin: Annotated[str, Meta(description="what it has learned, in words")]


class Run(Document, frozen=True, kw_only=True):
    """What is replayed."""

    run_id: str
    dataset: Annotated[str, Meta(description="`yellow` or `green`")]
    month: Annotated[
        str, Meta(description="such as `2024-10`; several in a row as `2024-08..2024-10`")
    ]
    source: Annotated[
        str,
        Meta(
            description="name of the trip file, `synthetic`, or the number of several files, such "
            "as `3 files`"
        ),
    ]
    is_synthetic: Annotated[bool, Meta(description="whether the trips are made up")]
    surge: Annotated[str | None, Meta(description="what-if surges, as for `--surge`")]
    start_ts: Annotated[int, Meta(description="first instant, epoch milliseconds")]
    end_ts: Annotated[
        int | None, Meta(description="end of the last hour, epoch milliseconds; null for a loop")
    ]
    hours: Annotated[int | None, Meta(description="hours from start to end; null for a loop")]
    loop_weeks: Annotated[
        int | None, Meta(description="weeks that play again and again; null without a loop")
    ]
    keep_hours: Annotated[
        int | None, Meta(description="closed hours that Redis keeps; null for all")
    ]
    shift_weeks: Annotated[
        int, Meta(description="weeks by which all times are later than in the trip file")
    ]
    warm_start: Annotated[
        WarmStart | None, Meta(description="null for a run that begins without a saved model")
    ]
    dataflows: Annotated[int, Meta(description="dataflow processes that share the run")]
    consumers: Annotated[int, Meta(description="consumer processes that share the run")]
    models: Annotated[list[str], Meta(description="names of the models, the served one first")]
    horizons: Annotated[list[int], Meta(description="hours ahead that are forecast")]


class Location(Document, frozen=True, kw_only=True):
    """The Redis that the run was read from."""

    kind: Annotated[
        str, Meta(description="`live`, `saved` (in the state directory) or `given` (`--redis`)")
    ]
    redis_url: Annotated[str | None, Meta(description="without its password; null for `saved`")]
    state_dir: Annotated[str | None, Meta(description="directory of an embedded run")]


class Gate(Document, frozen=True, kw_only=True):
    """Who has to acknowledge each closed hour before the clock passes it."""

    gates: Annotated[list[str], Meta(description="their names, as for `--gate`")]
    awaited: Annotated[list[str], Meta(description="those that are awaited; empty if none is")]
    hour: Annotated[Hour, Meta(description="the closed hour that they are awaited for")]
    awaited_s: Annotated[float, Meta(description="seconds for which they have been awaited")]
    refused: Annotated[int, Meta(description="acknowledgements that were refused so far")]
    refusal: Annotated[str | None, Meta(description="why the last one was")]


class HourCommand(Document, frozen=True, kw_only=True):
    """The command of `--on-hour`."""

    command: Annotated[str, Meta(description="as it was given")]
    hour: Annotated[Hour, Meta(description="the closed hour that it runs for")]
    state: Annotated[str, Meta(description="`running`, or `failed`: the clock is then paused")]
    reason: Annotated[str | None, Meta(description="why it failed")]
    output: Annotated[list[str], Meta(description="the last lines that it printed, if it failed")]


class Counts(Document, frozen=True, kw_only=True):
    """Counts of a run, over its closed hours."""

    hours_closed: Annotated[int, Meta(description="hours counted and scored")]
    rides: Annotated[int, Meta(description="rides in the closed hours")]
    rejected_rows: Annotated[int, Meta(description="rows of the trip file that were rejected")]
    rejected_by_reason: Annotated[dict[str, int], Meta(description="reason -> rows")]
    pairs_scored: Annotated[int, Meta(description="zone-hours with a prediction and rides")]
    pairs_due: Annotated[int, Meta(description="zone-hours that should have both")]
    overlap_ratio: Annotated[Number, Meta(description="pairs_scored / pairs_due")]
    alerts: Annotated[int, Meta(description="drift alerts")]


class RollingScore(Document, frozen=True, kw_only=True):
    """Rolling scores of one model over all zones, of the last 24 and 168 closed hours."""

    model: str
    is_served: Annotated[bool, Meta(description="whether its predictions are the served ones")]
    is_submitted: Annotated[bool, Meta(description="whether a user has submitted them")]
    mae_24h: Mae
    mae_168h: Mae
    rmse_24h: Rmse
    rmse_168h: Rmse
    bias_24h: Bias
    bias_168h: Bias
    deviance_24h: Deviance
    deviance_168h: Deviance
    skill_24h: Skill
    skill_168h: Skill
    coverage_24h: Coverage
    coverage_168h: Coverage
    wis_24h: Wis
    wis_168h: Wis


class WorstZone(Document, frozen=True, kw_only=True):
    """One of the zones with the largest errors."""

    pickup_location_id: int
    name: str
    mae_24h: Annotated[float, Meta(description="mean absolute error of 24 h, rides per hour")]
    rides: Annotated[int | None, Meta(description="rides in the last closed hour")]
    next_predicted_demand: Annotated[Number, Meta(description="rides predicted for the next hour")]


class ZoneError(Document, frozen=True, kw_only=True):
    """A zone in one closed hour."""

    pickup_location_id: int
    name: Annotated[str, Meta(description="name of the zone")]
    rides: int
    predicted_demand: Predicted
    prediction_error: Error


class Score(Document, frozen=True, kw_only=True):
    """Scores of one model, or of the served model in one borough, over `pairs` zone-hours."""

    name: Annotated[str, Meta(description="model or borough")]
    pairs: int
    mae: Mae
    rmse: Rmse
    wape: Annotated[Number, Meta(description="sum of absolute errors / sum of rides")]
    bias: Bias
    deviance: Deviance
    skill: Skill
    coverage: Annotated[
        Number, Meta(description="share of rides within the intervals, 0 to 1; served model only")
    ]
    wis: Annotated[
        Number, Meta(description="weighted interval score, rides per hour; served model only")
    ]


class HorizonScore(Document, frozen=True, kw_only=True):
    """Scores of the served model at one horizon, over `pairs` zone-hours."""

    horizon: Annotated[int, Meta(description="hours ahead")]
    pairs: int
    mae: Mae
    rmse: Rmse
    wape: Annotated[Number, Meta(description="sum of absolute errors / sum of rides")]
    bias: Bias
    deviance: Deviance
    skill: Skill
    coverage: Coverage
    wis: Wis


class RollingHorizon(Document, frozen=True, kw_only=True):
    """Rolling scores of the served model at one horizon, over all zones."""

    horizon: Annotated[int, Meta(description="hours ahead")]
    mae_24h: Mae
    mae_168h: Mae
    rmse_24h: Rmse
    rmse_168h: Rmse
    bias_24h: Bias
    bias_168h: Bias
    deviance_24h: Deviance
    deviance_168h: Deviance
    skill_24h: Skill
    skill_168h: Skill
    coverage_24h: Coverage
    coverage_168h: Coverage
    wis_24h: Wis
    wis_168h: Wis


class HourAhead(Hour, frozen=True, kw_only=True):
    """What is predicted for a zone in an hour ahead."""

    horizon: Annotated[int, Meta(description="hours ahead of the latest closed one")]
    predicted_demand: Predicted
    predicted_median: Median
    lower: Lower
    upper: Upper


class Band(Document, frozen=True, kw_only=True):
    """How good the served predictions are where similar demand was predicted."""

    band: Annotated[str, Meta(description="predicted rides, such as `5-20`")]
    pairs: int
    relative_bias: Annotated[
        Number, Meta(description="(sum of `predicted_demand` - sum of rides) / sum of rides")
    ]
    coverage: Coverage
    width: Annotated[Number, Meta(description="mean width of the intervals, rides")]


class Scores(Document, frozen=True, kw_only=True):
    """Scores of hour-ahead predictions, over the hours after the first week."""

    first_ts: Annotated[int, Meta(description="first scored hour, epoch milliseconds")]
    last_ts: Annotated[int, Meta(description="last scored hour, epoch milliseconds")]
    zones: Annotated[int, Meta(description="zones that have rides")]
    pairs: Annotated[int, Meta(description="zone-hours of the served model")]
    served: Annotated[str, Meta(description="name of the served model")]
    by_model: list[Score]
    by_borough: list[Score]
    by_band: list[Band]
    by_horizon: Annotated[
        list[HorizonScore], Meta(description="for each of `--horizons`; empty without it")
    ]


class Process(Document, frozen=True, kw_only=True):
    """What one process of a run used."""

    name: Annotated[str, Meta(description="such as `producer` or `redis`")]
    cpu_s: Annotated[float, Meta(description="CPU time, seconds")]
    peak_memory_bytes: Annotated[int, Meta(description="peak of resident memory")]


Count = int | None


class Wait(Document, frozen=True, kw_only=True):
    """A time in which the thread that does the work of a process did not use the CPU.

    That for `core` is counted from the start of the process; some of it is in the others as well.
    """

    reason: Annotated[
        str,
        Meta(
            description="`closed_hours` (the replay is as far ahead as it may be), `clock` (the "
            "next trips are not due, or the replay is paused), `gate` (a closed hour is not "
            "acknowledged), `trips` or `events` (none came), "
            "`kafka` (a full queue, or the end of all deliveries), `redis` (its replies), or "
            "`core` (all of them were busy)"
        ),
    ]
    seconds: float


class Part(Document, frozen=True, kw_only=True):
    """What a process or a server has used, exchanged and waited for during a run.

    Null is not known. That is all of a server which the command has not started, but for the
    counts of a given Redis: those of all its clients.
    """

    name: Annotated[str, Meta(description="such as `producer`; `up` is the command itself")]
    cpu_user_s: Annotated[Number, Meta(description="CPU time in programs, seconds")]
    cpu_system_s: Annotated[Number, Meta(description="CPU time in the kernel, seconds")]
    cpu_other_threads_s: Annotated[
        Number,
        Meta(description="of both, that of threads of libraries: all but the main one"),
    ]
    peak_memory_bytes: Annotated[Count, Meta(description="peak of resident memory")]
    messages_in: Annotated[Count, Meta(description="messages read from Kafka; commands of Redis")]
    messages_out: Annotated[Count, Meta(description="messages sent to Kafka")]
    bytes_in: Annotated[
        Count,
        Meta(description="bytes of these, without the last 0.25 s; of Redis, all that it read"),
    ]
    bytes_out: Annotated[
        Count,
        Meta(description="bytes of the messages sent, likewise; of Redis, all that it wrote"),
    ]
    waits: Annotated[list[Wait], Meta(description="the longest first")]


class JoinFinding(Document, frozen=True, kw_only=True):
    """Why rows do not join."""

    cause: Annotated[str, Meta(description="kind of the cause, as in docs/doctor.md")]
    summary: Annotated[str, Meta(description="what is wrong, in a sentence")]
    side: Annotated[str, Meta(description="whose rows are counted: `predictions` or `actuals`")]
    rows: Annotated[int, Meta(description="rows concerned")]
    cure: Annotated[str, Meta(description="what to do")]
    is_certain: Annotated[bool, Meta(description="whether `--fix` applies the cure")]
    prediction: Annotated[
        dict[str, str] | None, Meta(description="a row of the predictions: column -> value")
    ]
    actual: Annotated[dict[str, str] | None, Meta(description="a row of the actuals")]


class TableFile(Document, frozen=True, kw_only=True):
    """A Parquet file of an export."""

    name: Annotated[str, Meta(description="name of the file in the directory")]
    rows: Annotated[int, Meta(description="rows of its table")]
    bytes: Annotated[int, Meta(description="size of the file")]


class ManifestCommand(Document, frozen=True, kw_only=True):
    """A command to the clock of a run, refused ones too."""

    number: Annotated[int, Meta(description="counted from 1 over the whole run")]
    id: Annotated[str, Meta(description="of its entry in `sim:commands`")]
    command: Annotated[str, Meta(description="such as `step`; empty if it could not be read")]
    value: Annotated[str, Meta(description="such as `6h`; empty without one")]
    error: Annotated[str | None, Meta(description="why it was refused; null if it was not")]
    simulated_time: Annotated[datetime, Meta(description="when it was applied, RFC 3339")]
    simulated_ts: Annotated[int, Meta(description="the same, epoch milliseconds")]
    target_ts: Annotated[int | None, Meta(description="where it led, epoch milliseconds")]


class SubmissionCounts(Document, frozen=True, kw_only=True):
    """Predictions of users in a run. They are no part of the manifest, only their counts are."""

    taken: Annotated[dict[str, int], Meta(description="model -> predictions")]
    rejected: Annotated[dict[str, int], Meta(description="reason -> predictions")]


class RunEnd(Document, frozen=True, kw_only=True):
    """How far a run was when its manifest was written."""

    state: Annotated[str, Meta(description="of the clock, as in `sim:clock`")]
    simulated_ts: Annotated[int, Meta(description="simulated time, epoch milliseconds")]
    last_closed: Annotated[Hour, Meta(description="the last hour that is closed")]
    hours_closed: Annotated[int, Meta(description="hours counted and scored")]
    is_whole: Annotated[
        bool, Meta(description="whether nothing of a later hour is in Redis, as after Ctrl-C")
    ]


OBJECTS: tuple[type[Document], ...] = (
    Run, WarmStart, Location, Hour, Gate, HourCommand, Counts, RollingScore, WorstZone, ZoneError,
    Scores, Score, Band, Process, Part, Wait, JoinFinding, TableFile, ManifestCommand,
    SubmissionCounts, RunEnd,
)  # fmt: skip
