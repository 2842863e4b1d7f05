"""What the events of a run can be on one partition: its hours, and the zones of the partition."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rushhour.core.arrays import Counts, ZoneMask
from rushhour.core.hours import clock_label
from rushhour.core.zones import FIRST_ZONE

# Why an event cannot be one of the run's, and a sentence for a person.
Fault = tuple[Literal["out_of_bounds", "wrong_partition"], str]


@dataclass(frozen=True, slots=True, eq=False)
class PartitionBounds:
    """Hours of a run and zones of a partition.

    The run has the hours [`start_ts`, `end_ts`), epoch milliseconds; `zones` are those of the
    partition.
    """

    start_ts: int
    end_ts: int
    zones: ZoneMask

    def fault(self, ts: int, zone: int | None = None, *, with_end: bool = False) -> Fault | None:
        """Return why an event cannot be one of the run's, None if it can.

        Parameters
        ----------
        ts
            The instant or hour of the event (epoch ms).
        zone
            Its zone, if it has one.
        with_end
            Whether the end of the run is allowed too: for a tick, and for the last forecast.
        """
        if not self.start_ts <= ts < self.end_ts + with_end:
            return "out_of_bounds", f"{clock_label(ts)} is outside of the run's hours"
        if zone is not None and not self.zones[zone - FIRST_ZONE]:
            return "wrong_partition", f"zone {zone} has another partition"
        return None

    def hold(self, ts: Counts, zone: Counts, *, with_end: bool = False) -> bool:
        """Return whether `fault` is None for all events, given as columns."""
        if not len(ts):
            return True
        return bool(
            ts.min() >= self.start_ts
            and ts.max() < self.end_ts + with_end
            and np.all(self.zones[zone - FIRST_ZONE])
        )
