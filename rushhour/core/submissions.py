"""Predictions that users submit: what a record of the topic `submissions` is, and what it may hold.

A record is a JSON object. The hour is `pickup_ts`, an int of epoch milliseconds, or `pickup_hour`,
RFC 3339 text (UTC without an offset), or both. It may name its run: one that does not is of the run
that reads it.
"""

import re
from typing import Literal

from rushhour.core.keys import SUBMITTED_NAME

MODEL = "model"
RUN_ID = "run_id"

# A submitted prediction must lie within this many rides of zero: else no score could be computed.
MAX_DEMAND = 1e9

# Why a submission is not taken.
SubmissionReason = Literal[
    "undecodable",
    "invalid_model",
    "not_an_int",
    "unknown_zone",
    "epoch_seconds",
    "no_such_hour",
    "not_a_number",
    "late",
    "twice",
]
# Why, and a sentence for a person.
Fault = tuple[SubmissionReason, str]

_NAME = re.compile(SUBMITTED_NAME, re.ASCII)


def is_model_name(name: object) -> bool:
    """Whether a user's model may be called so.

    >>> is_model_name("mine-2.1"), is_model_name("of:mine"), is_model_name(7)
    (True, False, False)
    """
    return isinstance(name, str) and _NAME.fullmatch(name) is not None
