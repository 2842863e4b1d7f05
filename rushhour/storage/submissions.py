"""Predictions that users submitted in time, as Redis holds them."""

from collections.abc import Iterable, Mapping
from typing import cast

import redis
from redis.client import NEVER_DECODE

from rushhour.core import keys
from rushhour.core.arrays import Floats
from rushhour.core.hours import hour_label
from rushhour.storage.columns import from_hash

# Field of `keys.submitted_model`: how many predictions were taken.
TAKEN = "taken"

# Fields of `keys.SUBMISSIONS`.
MODELS = "models"  # names of users' models, separated by commas, in the order of their first
SCORED = "scored"  # the last hour that is scored for them (epoch ms); absent before the first


def begun_field(partition: int) -> str:
    """Field of `keys.SUBMISSIONS`: the last hour that has begun on a partition (epoch ms)."""
    return f"begun:{partition}"


def submitted_models(client: redis.Redis) -> tuple[str, ...]:
    """Return the names of the users' models of which something was taken."""
    return model_names(cast(str | None, client.hget(keys.SUBMISSIONS, MODELS)))


def model_names(text: str | None) -> tuple[str, ...]:
    """Return the names that the field `MODELS` holds.

    >>> model_names("mine,other"), model_names(None)
    (('mine', 'other'), ())
    """
    return tuple(filter(None, (text or "").split(",")))


def read_submitted(client: redis.Redis, model: str, hours: Iterable[int]) -> list[Floats]:
    """Return a user's predictions for hours (epoch ms): `float64[zones]` each, NaN for none."""
    pipe = client.pipeline(transaction=False)
    for hour in hours:
        key = keys.submitted_predictions(model, hour_label(hour))
        pipe.execute_command(  # type: ignore[no-untyped-call]
            "HGETALL", key, **{NEVER_DECODE: True}
        )
    return list(map(from_hash, pipe.execute()))


def rejected_submissions(quality: Mapping[str, str]) -> dict[str, int]:
    """Return how many submissions were rejected, by reason, given the hash `quality`.

    >>> rejected_submissions({"rides": "9", "rejected_submissions:late": "2"})
    {'late': 2}
    """
    return {
        field.removeprefix(keys.REJECTED_SUBMISSIONS): int(count)
        for field, count in quality.items()
        if field.startswith(keys.REJECTED_SUBMISSIONS)
    }
