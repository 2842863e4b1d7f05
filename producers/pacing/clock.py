"""The simulated clock: a linear map from wall time to event time through an anchor.

Everything that the replay sends is due at an absolute wall time of this map, so lateness does not
add up. Only a new speed, a pause or a rebase moves the anchor.
"""

import math
from dataclasses import dataclass, replace

from rushhour.core.hours import SECOND_MS
from rushhour.core.speed import Speed


@dataclass(frozen=True, slots=True)
class SimClock:
    """Maps wall time (seconds, monotonic) to simulated time (epoch milliseconds) and back.

    Immutable: each change returns a new clock. At speed `max` the clock stands at its anchor and
    everything is due at once; the replay rebases it as it proceeds.

    >>> from rushhour.core.speed import Speed
    >>> clock = SimClock(anchor_wall=100.0, anchor_sim=0, speed=Speed(3600.0))
    >>> clock.now(101.0), clock.wall_at(7_200_000)
    (3600000, 102.0)
    >>> clock.pause(101.0).now(500.0)
    3600000
    """

    anchor_wall: float
    anchor_sim: int
    speed: Speed
    paused: bool = False

    def now(self, wall: float) -> int:
        """Return the simulated time at a wall time."""
        if self.paused or self.speed.is_max:
            return self.anchor_sim
        return self.anchor_sim + math.floor(
            (wall - self.anchor_wall) * self.speed.factor * SECOND_MS
        )

    def wall_at(self, sim_ts: int) -> float:
        """Return the wall time at which `sim_ts` is due: infinity while paused.

        What is before the anchor was due by then, whatever the speed was.
        """
        if self.paused:
            return math.inf
        if self.speed.is_max:
            return self.anchor_wall
        ahead_ms = max(0, sim_ts - self.anchor_sim)
        return self.anchor_wall + ahead_ms / (self.speed.factor * SECOND_MS)

    def at_speed(self, speed: Speed, wall: float) -> "SimClock":
        """Return the clock with another speed from `wall` on."""
        return replace(self, anchor_wall=wall, anchor_sim=self.now(wall), speed=speed)

    def pause(self, wall: float) -> "SimClock":
        """Return the clock paused at `wall`."""
        return replace(self, anchor_wall=wall, anchor_sim=self.now(wall), paused=True)

    def resume(self, wall: float) -> "SimClock":
        """Return the clock running again from where it was paused."""
        return replace(self, anchor_wall=wall, paused=False) if self.paused else self

    def rebase(self, sim_ts: int, wall: float) -> "SimClock":
        """Return the clock anchored at `sim_ts` and `wall`.

        For a pipeline that cannot keep up: simulated time slows down and no backlog is due.
        """
        return replace(self, anchor_wall=wall, anchor_sim=sim_ts)
