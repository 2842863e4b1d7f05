"""What `rushhour dead-letters` shows."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from rushhour.core.hours import to_datetime
from rushhour.core.labels import source_label
from rushhour.core.run import RunInfo
from rushhour.runtime.dead_letters import RejectedRecord
from rushhour.simulator.documents.dead_letters import text_of
from rushhour.simulator.terminal.figures import UNKNOWN
from rushhour.simulator.terminal.fitted import Column, FittedTable
from rushhour.simulator.terminal.tables import note

_SHOWN = 60  # characters of a value


def dead_letters_screen(
    run: RunInfo, newest: Sequence[RejectedRecord], total: int
) -> RenderableType:
    """Return the latest rejected records of a run, of `total` in all."""
    source = Text(source_label(run), style="dim")
    if not newest:
        return Group(Text("no records were rejected"), source)
    table = FittedTable(
        Column("topic", is_text=True),
        Column("partition", short="p"),
        Column("offset"),
        Column("reason", is_text=True),
        Column("time", is_text=True, drop=2),
        Column("key", is_text=True, drop=1),
        Column("value", is_text=True, shrink_to=12),
    )
    for record in newest:
        letter = record.letter
        table.add(
            letter.topic,
            str(letter.partition),
            str(letter.offset),
            letter.reason,
            f"{to_datetime(letter.timestamp):%Y-%m-%d %H:%M:%S}",
            _cell(record.key),
            _cell(record.value),
        )
    count = f"{len(newest):,} of {total:,} rejected records, the newest first"
    return Group(table, note(count), note("time: of the record on Kafka, UTC"), source)


def _cell(data: bytes | None) -> str:
    """Return bytes on one line, shortened."""
    text = text_of(data)
    if text is None:
        return UNKNOWN
    line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:_SHOWN])
    return line if len(text) <= _SHOWN else f"{line}..."
