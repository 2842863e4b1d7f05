"""Errors that a user can cause, each with the exit code of the process that it ends."""


class RushhourError(Exception):
    """A failure to tell the user in one line: what, where, and what to do."""

    exit_code = 1


class UsageError(RushhourError):
    """A flag, an environment variable or an argument has a value that cannot be used."""

    exit_code = 2


class DataError(RushhourError):
    """A trip file is missing, unreadable, or not what it was said to be."""

    exit_code = 3


class UnreachableError(DataError):
    """A trip file is not on this machine and its server cannot be reached."""


class KafkaFailure(RushhourError):
    """The Kafka cluster cannot be reached, or holds something that cannot be read."""

    exit_code = 4


class RedisFailure(RushhourError):
    """Redis cannot be reached, or holds no run."""

    exit_code = 5


class StackError(RushhourError):
    """A part of the running line died, or could not be started."""

    exit_code = 6


class VerificationError(RushhourError):
    """`rushhour verify` found a difference between the run and the file."""

    exit_code = 7


class EventError(KafkaFailure):
    """An event on a topic is not valid for its schema."""
