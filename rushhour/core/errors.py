"""Errors for the user, each with the exit code of the process that it ends."""

INTERRUPTED = 130  # exit code after Ctrl-C or SIGTERM


class RushhourError(Exception):
    """A failure that is reported in one line: what failed, where, and what to do."""

    exit_code = 1


class UsageError(RushhourError):
    """A flag, an environment variable or an argument has an invalid value."""

    exit_code = 2


class DataError(RushhourError):
    """A file of trips or a manifest is missing, unreadable, or not of the expected kind."""

    exit_code = 3


class UnreachableError(DataError):
    """A trip file is not on this machine and its server is unreachable."""


class KafkaFailure(RushhourError):
    """Kafka is unreachable, or a topic holds something that cannot be read."""

    exit_code = 4


class RedisFailure(RushhourError):
    """Redis is unreachable, or holds no run."""

    exit_code = 5


class StackError(RushhourError):
    """A process of the pipeline died, or could not be started."""

    exit_code = 6


class VerificationError(RushhourError):
    """`rushhour verify` or `rushhour manifest` found a difference that matters."""

    exit_code = 7


class JoinError(RushhourError):
    """`rushhour doctor` found rows that do not join, or that cannot be scored."""

    exit_code = 8


class EventError(KafkaFailure):
    """An event on a topic does not match its schema."""


class ClosedPipeError(RushhourError):
    """Nobody reads the output any more, as after `rushhour compare | head -1`: no failure."""

    exit_code = 141
