"""When the next frame may go to the pages: at most so many a second, and closed hours at once."""

FRAMES_PER_S = 5.0
_RESERVE = 1.0  # kept for a closed hour while only the clock moves
_CAPACITY = 1.0 + _RESERVE


class Pace:
    """A bucket of tokens, one for each frame; times are monotonic seconds.

    A frame for a closed hour needs a token, one for the clock needs another in reserve.

    >>> pace = Pace(now=0.0)
    >>> pace.spend(0.0)
    >>> pace.hour_in_s(0.0), round(pace.clock_in_s(0.0), 3)
    (0.0, 0.2)
    """

    def __init__(self, now: float) -> None:
        self._tokens = _CAPACITY
        self._at = now

    def hour_in_s(self, now: float) -> float:
        """Return in how many seconds a frame for a closed hour may be sent."""
        return self._in_s(now, 1.0)

    def clock_in_s(self, now: float) -> float:
        """Return in how many seconds a frame for the clock may be sent."""
        return self._in_s(now, 1.0 + _RESERVE)

    def spend(self, now: float) -> None:
        """Count a frame that is sent now."""
        self._tokens = min(_CAPACITY, self._held(now)) - 1.0
        self._at = now

    def _in_s(self, now: float, tokens: float) -> float:
        return max(0.0, (tokens - self._held(now)) / FRAMES_PER_S)

    def _held(self, now: float) -> float:
        return self._tokens + (now - self._at) * FRAMES_PER_S
