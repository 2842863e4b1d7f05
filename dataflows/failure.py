"""The error that ended this process of the dataflow.

Bytewax hands the error of a step on in a single process. In a cluster it panics instead, and the
error is lost among those of the connections that break.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from rushhour.core.errors import RushhourError

P = ParamSpec("P")
R = TypeVar("R")

_failures: list[RushhourError] = []


def noted(step: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method that Bytewax calls, so that an error for the user is not lost."""

    @wraps(step)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return step(*args, **kwargs)
        except RushhourError as error:
            _failures.append(error)
            raise

    return call


def first_failure() -> RushhourError | None:
    """Return the first error of a step of this process; None if no step has failed."""
    return _failures[0] if _failures else None
