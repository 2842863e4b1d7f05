"""The document about a rejected record."""

from rushhour.core.hours import to_datetime
from rushhour.runtime.dead_letters import RejectedRecord
from rushhour.simulator.documents import schema


def dead_letter_document(record: RejectedRecord) -> schema.DeadLetter:
    """Return one rejected record; bytes that are no text are escaped."""
    letter = record.letter
    return schema.DeadLetter(
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        time=to_datetime(letter.timestamp),
        reason=letter.reason,
        detail=letter.detail,
        process=letter.process,
        key=text_of(record.key),
        value=text_of(record.value),
    )


def text_of(data: bytes | None) -> str | None:
    r"""Return bytes as text; those that are no UTF-8 are escaped.

    >>> text_of(b'{"seq":1}'), text_of(b"\xff!"), text_of(None)
    ('{"seq":1}', '\\xff!', None)
    """
    return None if data is None else data.decode("utf-8", "backslashreplace")
