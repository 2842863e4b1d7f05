"""The speed of simulated time against the wall clock."""

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from rushhour.core.errors import UsageError
from rushhour.core.foreign import shown
from rushhour.core.hours import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_UNITS_MS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_HUMAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])\s*/\s*s", re.ASCII)
_FACTOR = re.compile(r"(\d+(?:\.\d+)?)x?", re.ASCII)

# From a simulated second in eleven days to a simulated month in three milliseconds: wider than any
# use, and narrow enough that no date overflows.
_SLOWEST, _FASTEST = 1e-6, 1e9


@dataclass(frozen=True, slots=True)
class Speed:
    """Simulated seconds per second of the wall clock; `math.inf` is as fast as possible."""

    factor: float

    @classmethod
    def parse(cls, text: str) -> "Speed":
        """Parse 'max', a factor ('3600', '3600x') or simulated time per second ('6h/s', '30m/s').

        >>> Speed.parse("6h/s")
        Speed(factor=21600.0)

        Raises
        ------
        UsageError
            If the text is not a speed, or the factor is not within 0.000001 and 1000000000.
        """
        cleaned = text.strip().lower()
        if cleaned == "max":
            return MAX
        if match := _HUMAN.fullmatch(cleaned):
            factor = float(match[1]) * _UNITS_MS[match[2]] / SECOND_MS
        elif match := _FACTOR.fullmatch(cleaned):
            factor = float(match[1])
        else:
            factor = math.nan
        if math.isnan(factor):
            raise UsageError(
                f"speed '{shown(text)}' is not a speed: write max, a factor such as 3600, "
                "or simulated time per second such as 6h/s or 30m/s"
            )
        if not _SLOWEST <= factor <= _FASTEST:
            raise UsageError(
                f"speed '{shown(text)}' is out of range: write a factor from {_SLOWEST:f} to "
                f"{_FASTEST:.0f}, or max"
            )
        return cls(factor)

    @property
    def is_max(self) -> bool:
        """Whether the replay is as fast as the pipeline."""
        return math.isinf(self.factor)

    def __str__(self) -> str:
        """Format the speed as `parse` accepts it.

        >>> str(Speed(21600.0)), str(Speed(90.0)), str(MAX)
        ('6h/s', '90s/s', 'max')
        """
        if self.is_max:
            return "max"
        for unit in ("d", "h", "m"):
            amount = self.factor * SECOND_MS / _UNITS_MS[unit]
            if amount >= 1 and amount == int(amount):
                return f"{int(amount)}{unit}/s"
        return f"{format(Decimal(repr(self.factor)), 'f').removesuffix('.0')}s/s"


MAX = Speed(math.inf)
