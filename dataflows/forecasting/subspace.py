"""The main directions in which the zones of a city vary together."""

import numpy as np

from rushhour.core.arrays import Floats


class Subspace:
    """The leading principal components of past hours, which smooth a row of all zones.

    Rides of one zone in one hour are few and noisy. Projecting a row on the leading directions of
    the past keeps what zones have in common and removes most of the noise (principal component
    analysis, not centred: Jolliffe, "Principal Component Analysis").

    Parameters
    ----------
    rank
        Number of directions.
    """

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._directions: Floats | None = None

    def fit(self, rows: Floats) -> None:
        """Find the directions of past hours, `float64[hours, zones]`."""
        _, vectors = np.linalg.eigh(rows.T @ rows)
        self._directions = vectors[:, -self._rank :]

    def smooth(self, row: Floats) -> Floats:
        """Return the projection of `row`, `float64[zones]`; before the first fit, `row` itself."""
        if self._directions is None:
            return row
        return self._directions @ (self._directions.T @ row)
