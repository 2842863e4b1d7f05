"""The kinds of cause, in the order in which they are examined.

Each is a module with a function `examine(case, column)`. It returns what it has found, with the
predictions after the cure if that is certain; the next one examines those. So a second cause is
seen behind the first.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rushhour.core.table_columns import PREDICTED, RIDES, ZONE
from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.causes import (
    before_first_hour,
    beyond_last_hour,
    columns,
    disagreement,
    duplicates,
    epoch_unit,
    missing_actuals,
    missing_keys,
    missing_zones,
    shift,
    time_type,
    time_zone,
    unexplained,
    unknown_zones,
    values,
    whole_hours,
    zone_type,
)
from rushhour.simulator.diagnosis.finding import Finding


@dataclass(frozen=True, slots=True)
class Cause:
    """A kind of cause: what looks for it, and in which columns (or tables) of a case."""

    examine: Callable[[Case, str], Finding | None]
    columns: Callable[[Case], Iterable[str]]

    @property
    def name(self) -> str:
        """The name of its module."""
        return self.examine.__module__.rpartition(".")[2]


def _times(case: Case) -> tuple[str, ...]:
    return case.time_columns


def _first_time(case: Case) -> tuple[str, ...]:
    return case.time_columns[:1]


def _second_time(case: Case) -> tuple[str, ...]:
    return case.time_columns[1:]


def _keys(case: Case) -> tuple[str, ...]:
    return (*case.time_columns, ZONE)


CAUSES = (
    Cause(columns.examine, lambda _: columns.EXAMINED),
    Cause(missing_keys.examine, _keys),
    Cause(zone_type.examine, lambda _: (ZONE,)),
    Cause(epoch_unit.examine, _times),
    Cause(time_type.examine, _times),
    Cause(time_zone.examine, _times),
    Cause(whole_hours.examine, _times),
    Cause(shift.examine, _times),
    Cause(disagreement.examine, _second_time),
    Cause(unknown_zones.examine, lambda _: (ZONE,)),
    Cause(missing_zones.examine, lambda _: ("predictions", "actuals")),
    Cause(duplicates.examine, lambda _: ("predictions", "actuals")),
    Cause(before_first_hour.examine, _first_time),
    Cause(beyond_last_hour.examine, _first_time),
    Cause(missing_actuals.examine, _first_time),
    Cause(values.examine, lambda _: (PREDICTED, RIDES)),
)
# What is asked last, if all that was found before is cured.
LAST = Cause(unexplained.examine, _first_time)
