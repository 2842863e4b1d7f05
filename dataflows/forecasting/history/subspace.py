"""The main directions in which the zones of a city vary together."""

import numpy as np

from rushhour.core.arrays import Floats


class Subspace:
    """The principal components of past hours, which smooth a row of all zones.

    Rides of one zone in one hour are few and noisy. What zones have in common lies in a few
    directions, noise in all of them (principal component analysis, not centred: Jolliffe,
    "Principal Component Analysis").

    Parameters
    ----------
    rank
        Number of directions that `smooth` keeps.
    """

    # About the variance of the square root of a Poisson count, which is 1/4.
    _NOISE = 0.3

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._directions: Floats | None = None
        self._filter: Floats | None = None

    def fit(self, rows: Floats) -> None:
        """Find the directions of past hours, `float64[hours, zones]`."""
        squares, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
        power = np.maximum(squares, 0.0)  # but for rounding it is
        self._directions = vectors[:, -self._rank :]
        self._filter = (vectors * (power / (power + self._NOISE))) @ vectors.T

    def smooth(self, row: Floats) -> Floats:
        """Return the projection of `row`, `float64[zones]`; before the first fit, `row` itself.

        It keeps the leading directions: little of the noise, and nothing that is a zone's own.
        """
        if self._directions is None:
            return row
        return self._directions @ (self._directions.T @ row)

    def shrink(self, row: Floats) -> Floats:
        """Return `row`, `float64[zones]`, shrunk; before the first fit, `row` itself.

        Each direction is shrunk by the share of noise in it (Wiener, "Extrapolation,
        Interpolation, and Smoothing of Stationary Time Series", 1949). For means over several
        hours, which have less noise to lose than a single hour.
        """
        return row if self._filter is None else self._filter @ row
