"""Which events cannot be a run's: those of other hours, or of the zones of another partition."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from rushhour.core.bounds import Fault, PartitionBounds
from rushhour.core.events import Alert, AlertEvent, HourEnd, HourlyRides, Prediction


def fault_of(
    bounds: PartitionBounds, partition: int, event: HourlyRides | Prediction | AlertEvent
) -> Fault | None:
    """Return why an event of a partition cannot be one of the run's, None if it can.

    The last forecast is for the hour after the run, and the last hour ends with the run.
    """
    if isinstance(event, HourEnd):
        if event.partition != partition:
            return "wrong_partition", f"the end of an hour of partition {event.partition}"
        return bounds.fault(event.end_ts, with_end=True)
    return bounds.fault(
        event.pickup_ts, event.pickup_location_id, with_end=isinstance(event, Prediction)
    )


def are_within(
    bounds: PartitionBounds, partition: int, events: Sequence[HourlyRides | Prediction | AlertEvent]
) -> bool:
    """Return whether all events of one topic can be of the run: `fault_of` is None for each."""
    if not events or isinstance(events[0], Alert | HourEnd):
        return all(fault_of(bounds, partition, event) is None for event in events)
    zone_events = cast(Sequence[HourlyRides | Prediction], events)
    return bounds.hold(
        np.array([event.pickup_ts for event in zone_events]),
        np.array([event.pickup_location_id for event in zone_events]),
        with_end=isinstance(events[0], Prediction),
    )
