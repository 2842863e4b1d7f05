"""Which events cannot be a run's: those of other hours, or of the zones of another partition."""

from rushhour.core.bounds import Fault, PartitionBounds
from rushhour.core.events import AlertEvent, HourEnd, HourlyRides, Prediction


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
