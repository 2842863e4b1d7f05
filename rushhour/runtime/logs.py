"""The logs of every process, on stderr: lines of text, or one JSON object per line."""

import json
import logging
import os
import sys
from datetime import UTC, datetime

from rushhour.core.redis_url import mask_password
from rushhour.core.settings import Settings


def set_up_logging(process: str) -> None:
    """Log to stderr from now on, in the format that the environment selects.

    Reads `RUSHHOUR_LOG_FORMAT` itself, because invalid settings are logged too.
    """
    as_json = os.environ.get(Settings.env_name("log_format")) == "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(process) if as_json else TextFormatter(f"{process}: %(message)s")
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)


class TextFormatter(logging.Formatter):
    """Formats a record as text, without the passwords of URLs in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text; that of an exception ends with its traceback."""
        return mask_password(super().format(record))


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object with `time`, `level`, `process` and `message`.

    `time` is RFC 3339 in UTC, `level` is lower case. The record of an exception has its
    `traceback` as well. Passwords of URLs are replaced.
    """

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        fields = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "process": self._process,
            "message": mask_password(record.getMessage()),
        }
        if record.exc_info:
            fields["traceback"] = mask_password(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False)


def message_of(line: str, process: str) -> str:
    """Return the message of a line of a log, whichever its format.

    >>> message_of("consumer: Redis is unreachable", "consumer")
    'Redis is unreachable'
    >>> message_of('{"level": "error", "message": "Redis is unreachable"}', "consumer")
    'Redis is unreachable'
    """
    line = line.strip()
    if line.startswith("{"):
        try:
            return str(json.loads(line)["message"])
        except (ValueError, KeyError):
            return line
    kind, _, _ = process.partition("-")  # dataflow-1 logs as dataflow
    return line.removeprefix(f"{process}: ").removeprefix(f"{kind}: ")
