"""The main directions in which the zones of a city move together."""

import numpy as np

from rushhour.core.arrays import Floats


class Subspace:
    """The principal components of past hours; a row of all zones is made smooth by them.

    Rides of one zone in one hour are few, and noisy. What the zones have in common is not: a row
    projected on the leading directions of the past keeps that, and loses most of the noise
    (principal component analysis, not centred: Jolliffe, "Principal Component Analysis").
    """

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._directions: Floats | None = None

    def fit(self, rows: Floats) -> None:
        """Find the directions of past hours, `float64[hours, zones]`."""
        _, vectors = np.linalg.eigh(rows.T @ rows)
        self._directions = vectors[:, -self._rank :]

    def smooth(self, row: Floats) -> Floats:
        """Return a row of all zones without what is not along the directions.

        Until there are any, the row itself.
        """
        if self._directions is None:
            return row
        return self._directions @ (self._directions.T @ row)
