"""The document about the Redis that a run was read from."""

from rushhour.simulator.documents import objects
from rushhour.simulator.stack.open_run import OpenRun


def location_document(opened: OpenRun) -> objects.Location:
    """Return where a run was read from."""
    return objects.Location(
        kind=opened.kind,
        redis_url=None if opened.kind == "saved" else opened.address.masked_url,
        state_dir=None if opened.kind == "given" else str(opened.state_dir),
    )
