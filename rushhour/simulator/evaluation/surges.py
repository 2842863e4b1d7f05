"""What-if surges on counts: what `producers.month.surge` does to trips, computed differently."""

from collections.abc import Iterable
from fractions import Fraction
from math import floor

import numpy as np
import pandas as pd

from rushhour.core.surges import Surge


def surge_counts(counts: pd.DataFrame, surges: Iterable[Surge]) -> pd.DataFrame:
    """Return the rides (hours x zones) with these surges, at most one per zone.

    `counts` begins with the first hour of the month, even if the run begins later: a surge counts
    the trips that it multiplies from its own first hour on.
    """
    changed = counts.copy()
    for surge in surges:
        hours = changed.index >= pd.Timestamp(surge.from_ts, unit="ms")
        factor = Fraction(surge.factor)
        totals = [floor(factor * int(total)) for total in counts.loc[hours, surge.zone].cumsum()]
        changed.loc[hours, surge.zone] = np.diff(np.array([0, *totals], np.int64))
    return changed
