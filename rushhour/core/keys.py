"""Every Redis key and field name, in one place.

`{hour}` is the label that `rushhour.core.hours.hour_label` makes, such as `2024-10-02T23`. Keys
that start with `sim:` describe this run on this machine (wall-clock times, speeds, offsets). All
other keys depend on the trip data alone: same data, same keys, same values.
"""

import re

CLOCK = "sim:clock"  # hash: simulated time, speed and state of the replay
RUN = "sim:run"  # hash: what is replayed
PREPARING = "sim:preparing"  # token of the `rushhour prepare` that is at work, or was killed
OFFSETS = "sim:offsets"  # hash: "topic:partition" -> next offset to read
CLOSED = "sim:closed"  # hash: partition -> last hour whose zones are written
DUPLICATES = "sim:duplicates"  # hash: events that a consumer dropped because it had them already
SKIPPED = "sim:skipped"  # hash: "topic:partition:offset" to pass over -> since when
RECOVERY = "sim:recovery"  # hash: what the dataflow processes of a cluster agree on
COMMANDS = "sim:commands"  # stream: pause, resume, speed, step, until, seek, stop
TIMELINE = "sim:timeline"  # stream: the commands that were processed, and what became of them
MANIFEST = "sim:manifest"  # hash: how the run was started, and on what
REPEATED = "sim:repeated"  # hash: what the run repeats of another one; absent if it repeats none
SUBMISSIONS = "sim:submissions"  # hash: how far submitted predictions are taken and scored
GATE = "sim:gate"  # hash: who has to acknowledge the closed hour before the clock passes it
ACKS = "sim:acks"  # stream: acknowledgements of hours
ON_HOUR = "sim:on_hour"  # hash: the command of `--on-hour` that runs, or has failed

CITY = "city"  # hash: the whole city's latest hour and errors
CITY_HOURLY = "city:hourly"  # stream: one entry per closed hour; its id is the hour (epoch ms)
QUALITY = "quality"  # hash: rejected rows, overlap
BOARD_MAE = "board:mae:24h"  # sorted set: zone -> MAE of the last 24 h
BOARD_RIDES = "board:rides"  # sorted set: zone -> rides of the latest hour
ALERTS = "alerts"  # stream: one entry per alert; its id is the hour (epoch ms) and the zone
COVERAGE = "coverage"  # hash: demand band -> share of rides within the intervals, last 168 h

# What is told of a run, and stays if it starts over.
TOLD = (MANIFEST, TIMELINE, REPEATED)

# Field of `RUN`: why a transaction was executed in part; absent if none was.
DAMAGE = "damage"

# Field of `RECOVERY`: versions of the libraries that the results depend on.
LIBRARIES = "libraries"

# Fields of `QUALITY` that count rejected submissions begin so; absent if there are none.
REJECTED_SUBMISSIONS = "rejected_submissions:"

# Stands in a hash for a figure that is not known yet.
NOT_KNOWN = "n/a"

_ZONE = "zone"
_RIDES = "rides"
_PREDICTIONS = "predictions"
_MEDIANS = "medians"
_LOWER = "lower"
_UPPER = "upper"
_ERRORS = "errors"
_MODEL = "model"
_AHEAD = "ahead"
_HORIZON = "horizon"
_SUBMITTED = "submitted"
_LEASE = "sim:lease"
_EPOCH = "sim:epoch"

# What a user may call the model of submitted predictions.
SUBMITTED_NAME = r"\w[\w.-]{0,63}"

_HOUR = r"\d{4}-\d\d-\d\dT\d\d"
_OF_A_RUN = re.compile(
    rf"{_ZONE}:\d+"
    rf"|(?:{_RIDES}|{_PREDICTIONS}|{_MEDIANS}|{_LOWER}|{_UPPER}|{_ERRORS}|{ALERTS}):{_HOUR}"
    rf"|{_PREDICTIONS}:\w+:{_HOUR}|{_MODEL}:\w+|{_AHEAD}:\d+:{_HOUR}|{_HORIZON}:\d+"
    rf"|{_PREDICTIONS}:{_SUBMITTED}:{SUBMITTED_NAME}:{_HOUR}|{_MODEL}:{_SUBMITTED}:{SUBMITTED_NAME}",
    re.ASCII,
)
_SINGLE = frozenset(
    {
        CLOCK,
        RUN,
        OFFSETS,
        CLOSED,
        DUPLICATES,
        SKIPPED,
        RECOVERY,
        COMMANDS,
        TIMELINE,
        MANIFEST,
        REPEATED,
        SUBMISSIONS,
        GATE,
        ACKS,
        ON_HOUR,
        CITY,
        CITY_HOURLY,
        QUALITY,
        BOARD_MAE,
        BOARD_RIDES,
        ALERTS,
        COVERAGE,
    }
)
_FIRST_WORDS = frozenset(
    {key.partition(":")[0] for key in _SINGLE}
    | {_ZONE, _RIDES, _PREDICTIONS, _MEDIANS, _LOWER, _UPPER, _ERRORS, _MODEL, _AHEAD, _HORIZON}
)


def is_first_word(word: str) -> bool:
    """Whether keys of a run without a prefix begin with that word and a colon.

    >>> is_first_word("predictions"), is_first_word("ann")
    (True, False)
    """
    return word in _FIRST_WORDS


def is_of_a_run(key: str) -> bool:
    """Whether a new run deletes a key: any that this module names, and no other.

    >>> is_of_a_run("errors:2024-10-02T23"), is_of_a_run("errors:of-another-app")
    (True, False)
    >>> is_of_a_run("model:submitted:mine.2"), is_of_a_run("predictions:submitted:b:2024-10-02T23")
    (True, True)
    """
    return key in _SINGLE or _OF_A_RUN.fullmatch(key) is not None


def zone(zone_id: int) -> str:
    """Hash of one zone: name, borough, latest rides, next prediction, errors."""
    return f"{_ZONE}:{zone_id}"


def rides(hour: str) -> str:
    """Hash zone -> rides of one closed hour."""
    return f"{_RIDES}:{hour}"


def predictions(hour: str) -> str:
    """Hash zone -> expected number of rides, as the served model predicts it for one hour."""
    return f"{_PREDICTIONS}:{hour}"


def medians(hour: str) -> str:
    """Hash zone -> median of the rides, as the served model predicts it for one hour."""
    return f"{_MEDIANS}:{hour}"


def model_predictions(model: str, hour: str) -> str:
    """Hash zone -> prediction of a model that is not served, for one hour."""
    return f"{_PREDICTIONS}:{model}:{hour}"


def lower(hour: str) -> str:
    """Hash zone -> lower end of the interval of the served prediction for one hour."""
    return f"{_LOWER}:{hour}"


def upper(hour: str) -> str:
    """Hash zone -> upper end of the interval of the served prediction for one hour."""
    return f"{_UPPER}:{hour}"


def ahead(horizon: int, hour: str) -> str:
    """Hash zone -> what was predicted for one hour so many hours ahead.

    A value is four numbers with commas: expected number of rides, median, and the lower and the
    upper end of the interval.
    """
    return f"{_AHEAD}:{horizon}:{hour}"


def horizon(hours: int) -> str:
    """Hash of rolling scores of the forecasts made so many hours ahead, over the whole city."""
    return f"{_HORIZON}:{hours}"


def errors(hour: str) -> str:
    """Hash zone -> expected number of rides, as predicted, minus rides, for one closed hour."""
    return f"{_ERRORS}:{hour}"


def hour_alerts(hour: str) -> str:
    """Hash zone -> relative change, of the zones with an alert in one closed hour."""
    return f"{ALERTS}:{hour}"


def model(name: str) -> str:
    """Hash of rolling scores of one model over the whole city."""
    return f"{_MODEL}:{name}"


def submitted_predictions(name: str, hour: str) -> str:
    """Hash zone -> prediction of a user's model that was submitted in time, for one hour."""
    return f"{_PREDICTIONS}:{_SUBMITTED}:{name}:{hour}"


def submitted_model(name: str) -> str:
    """Hash of a user's model: how many predictions were taken, and their rolling scores."""
    return f"{_MODEL}:{_SUBMITTED}:{name}"


def rejected_submissions_field(reason: str) -> str:
    """Field of `QUALITY`: submitted predictions that were rejected for a reason."""
    return f"{REJECTED_SUBMISSIONS}{reason}"


def lease(name: str) -> str:
    """Holder of the lease of the process of that name: a string that expires."""
    return f"{_LEASE}:{name}"


def epoch(name: str) -> str:
    """Epoch of the lease of the process of that name: a number that rises with each holder."""
    return f"{_EPOCH}:{name}"


def duplicates_field(process: int) -> str:
    """Field of `DUPLICATES` for one consumer."""
    return f"events:{process}"


def offset_field(topic: str, partition: int) -> str:
    """Field of `OFFSETS` for one partition."""
    return f"{topic}:{partition}"


def record_field(topic: str, partition: int, offset: int) -> str:
    """Field of `SKIPPED` for one record."""
    return f"{topic}:{partition}:{offset}"
