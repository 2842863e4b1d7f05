"""The simulated clock: one straight line from wall time to event time, anchored at a point.

Everything that the replay does is due at an absolute wall time read off this line, so
lateness never adds up. Changing speed, pausing, or being held back by a slow line moves
the anchor; nothing else does.
"""

import math
from dataclasses import dataclass, replace

from rushhour.core.hours import SECOND_MS
from rushhour.core.speed import Speed


@dataclass(frozen=True, slots=True)
class SimClock:
    """Maps wall time (seconds, monotonic) to simulated time (epoch milliseconds) and back.

    Immutable: each change returns a new clock. A clock at speed `max` stands at its anchor
    and everything on it is due at once; the replay re-anchors it as it goes.

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
        """Return the wall time at which `sim_ts` is due: infinity while paused."""
        if self.paused:
            return math.inf
        if self.speed.is_max:
            return self.anchor_wall
        return self.anchor_wall + (sim_ts - self.anchor_sim) / (self.speed.factor * SECOND_MS)

    def at_speed(self, speed: Speed, wall: float) -> "SimClock":
        """Return the clock running at another speed from now on."""
        return replace(self, anchor_wall=wall, anchor_sim=self.now(wall), speed=speed)

    def pause(self, wall: float) -> "SimClock":
        """Return the clock standing still."""
        return replace(self, anchor_wall=wall, anchor_sim=self.now(wall), paused=True)

    def resume(self, wall: float) -> "SimClock":
        """Return the clock running again from where it stood."""
        return replace(self, anchor_wall=wall, paused=False) if self.paused else self

    def rebase(self, sim_ts: int, wall: float) -> "SimClock":
        """Return the clock re-anchored at `sim_ts` now.

        For a line that cannot keep up: simulated time slows down instead of owing a backlog.
        """
        return replace(self, anchor_wall=wall, anchor_sim=sim_ts)
