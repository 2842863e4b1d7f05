"""What-if surges: multiply the trips of a zone by a factor, from an hour on."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, clock_label, parse_from
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE

MAX_FACTOR = 100
DECIMALS = 6  # so that the products with trip counts fit into 64 bits

_FORM = re.compile(rf"(\d{{1,3}}):(\d{{1,3}}(?:\.\d{{1,{DECIMALS}}})?)@(.+)", re.ASCII)
_YEARS = (0, 253_402_300_800_000)  # 1970 to 9999, epoch milliseconds: what can be formatted


@dataclass(frozen=True, slots=True)
class Surge:
    """Multiplies the trips of `zone` at or after `from_ts` (epoch milliseconds) by `factor`.

    The first k of them become floor(factor * k) trips, for every k. The factor is a decimal number
    instead of a float, so that 0.29 keeps 29 of 100 trips.
    """

    zone: int
    factor: Decimal
    from_ts: int

    @classmethod
    def parse(cls, text: str) -> "Surge":
        """Parse `zone:factor@hour`.

        >>> Surge.parse("132:2.0@2024-10-20")
        Surge(zone=132, factor=Decimal('2.0'), from_ts=1729382400000)

        Raises
        ------
        UsageError
            If the text has another form, or zone, factor or hour is invalid.
        """
        match = _FORM.fullmatch(text.strip())
        if not match:
            raise UsageError(
                f"surge '{text}' is not a surge: write zone:factor@hour, such as "
                f"132:2.0@2024-10-20, the factor with at most {DECIMALS} decimals, "
                "and commas between several"
            )
        zone, factor = int(match[1]), Decimal(match[2])
        if not FIRST_ZONE <= zone <= LAST_ZONE:
            raise UsageError(
                f"surge '{text}': zone {zone} does not exist: zones are {FIRST_ZONE} to {LAST_ZONE}"
            )
        if factor > MAX_FACTOR:
            raise UsageError(f"surge '{text}': factor {factor} is too large: use 0 to {MAX_FACTOR}")
        try:
            from_ts = parse_from(match[3])
        except UsageError as error:
            raise UsageError(f"surge '{text}': {error}") from None
        if not _YEARS[0] <= from_ts < _YEARS[1]:
            raise UsageError(f"surge '{text}': use an hour of the years 1970 to 9999")
        return cls(zone, factor, from_ts)

    @property
    def label(self) -> str:
        """The surge, for display.

        >>> Surge.parse("132:2.0@2024-10-20").label
        'zone 132 x 2 from 2024-10-20 00:00'
        """
        return f"zone {self.zone} x {self._factor} from {clock_label(self.from_ts)}"

    @property
    def _factor(self) -> str:
        return f"{self.factor.normalize():f}"

    def __str__(self) -> str:
        """Format the surge as `parse` accepts it; equal surges have equal texts.

        >>> str(Surge.parse("132:2.0@2024-10-20"))
        '132:2@2024-10-20 00:00'
        """
        return f"{self.zone}:{self._factor}@{clock_label(self.from_ts)}"


def parse_surges(text: str) -> tuple[Surge, ...]:
    """Parse surges separated by commas, sorted by zone; none for an empty text.

    >>> [surge.zone for surge in parse_surges("132:2.0@2024-10-20,79:0.5@2024-10-25 18:00")]
    [79, 132]

    Raises
    ------
    UsageError
        If one is invalid, or two are for the same zone.
    """
    if not text.strip():
        return ()
    by_zone: dict[int, Surge] = {}
    for surge in map(Surge.parse, text.split(",")):
        if surge.zone in by_zone:
            raise UsageError(f"surge '{text}' has zone {surge.zone} twice: use one surge per zone")
        by_zone[surge.zone] = surge
    return tuple(by_zone[zone] for zone in sorted(by_zone))


def check_begin(surges: Iterable[Surge], end_ts: int) -> None:
    """Refuse a surge without effect, which would mislabel the run.

    Raises
    ------
    UsageError
        If a surge begins at `end_ts` (end of the run, epoch milliseconds) or later.
    """
    for surge in surges:
        if surge.from_ts >= end_ts:
            raise UsageError(
                f"surge '{surge}' begins after the last hour of the run, "
                f"{clock_label(end_ts - HOUR_MS)}: "
                "check --surge, --until and --month"
            )


def format_surges(surges: tuple[Surge, ...]) -> str:
    """Format surges as `parse_surges` accepts them."""
    return ",".join(map(str, surges))
