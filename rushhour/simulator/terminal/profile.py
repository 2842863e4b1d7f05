"""The profile of a run: what each part has used, exchanged and waited for."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from rushhour.simulator.stack.profile import Part
from rushhour.simulator.started import Times
from rushhour.simulator.terminal.figures import UNKNOWN, count, figure, with_unit
from rushhour.simulator.terminal.fitted import Column, FittedTable
from rushhour.simulator.terminal.report import cost_title, mebibytes
from rushhour.simulator.terminal.tables import note

_WAITS = {
    "closed_hours": "hours to be closed",
    "clock": "the next trips to be due",
    "gate": "gates to acknowledge",
    "trips": "trips",
    "events": "events",
    "kafka": "Kafka to take messages",
    "redis": "Redis",
    "core": "a free core",
}
_EXTERNAL = "external"  # a server that this command has not started


def profile_report(profile: Sequence[Part], times: Times, trips: int) -> RenderableType:
    """Return the tables of a profile; they fit 80 columns."""
    first = with_unit(figure(times.first_hour_s, 1), "s")
    return Group(
        cost_title(times, trips),
        Text(f"the first hour was closed after {first}", style="italic"),
        Text(),
        _resources(profile),
        note("other threads: those of Kafka's client, of the broker and of other libraries"),
        Text(),
        _traffic(profile),
        note("messages of Kafka, as counted by its clients; for Redis, commands and all bytes"),
        Text(),
        _waits(profile),
        note("time on no core; that for a free one is in part in the others as well"),
    )


def _resources(profile: Sequence[Part]) -> FittedTable:
    table = FittedTable(
        Column("part", is_text=True),
        Column("CPU"),
        Column("user"),
        Column("system"),
        Column("other threads"),
        Column("peak memory"),
    )
    for part in profile:
        cost = part.cost
        if cost is None:
            table.add(part.name, _EXTERNAL, *[UNKNOWN] * 4)
            continue
        seconds = (cost.cpu_s, cost.user_s, cost.system_s, part.other_threads_s)
        table.add(part.name, *map(_seconds, seconds), mebibytes(cost.peak_bytes))
    return table


def _traffic(profile: Sequence[Part]) -> FittedTable:
    table = FittedTable(
        Column("part", is_text=True),
        Column("messages in"),
        Column("bytes in"),
        Column("messages out"),
        Column("bytes out"),
    )
    for part in profile:
        if part.messages_in is not None:
            table.add(
                part.name,
                count(part.messages_in),
                mebibytes(part.bytes_in),
                count(part.messages_out),
                mebibytes(part.bytes_out),
            )
    return table


def _waits(profile: Sequence[Part]) -> FittedTable:
    table = FittedTable(
        Column("part", is_text=True), Column("waited for", is_text=True), Column("time")
    )
    for part in profile:
        for reason, seconds in part.waited_s.items():
            table.add(part.name, _WAITS[reason], _seconds(seconds))
    return table


def _seconds(value: float | None) -> str:
    return with_unit(figure(value, 1), "s")
