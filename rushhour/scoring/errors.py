"""MAE, WAPE and skill of the median; RMSE, bias and deviance of the mean.

The median is what the mean absolute error asks for, the mean what the squared error does: each is
judged by its own scores. A model with one prediction is judged by all of them.

An error is predicted minus actual rides: a positive error means that too many were predicted. A
pair is one zone in one hour that has both a prediction and rides; only pairs count.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from rushhour.core.arrays import Floats, Mask
from rushhour.scoring.deviance import poisson_deviance
from rushhour.scoring.ratios import ratio


@dataclass(frozen=True, slots=True, eq=False)
class ErrorSums:
    """Sums over pairs, from which every score of a model follows.

    All arrays have the same shape: one element for each thing that is scored, be it a single pair,
    a zone, an hour or a whole run. Scores are NaN where there is no pair. `errors`, `squares` and
    `deviances` are of the mean, the absolute errors of the median. The last two sums are over the
    pairs that both the model and the reference have.
    """

    pairs: Floats
    errors: Floats
    squares: Floats
    deviances: Floats
    absolute: Floats
    shared_absolute: Floats
    shared_reference: Floats

    @classmethod
    def of(
        cls,
        rides: npt.NDArray[Any],
        median: Floats,
        mean: Floats,
        reference: Floats | None = None,
    ) -> "ErrorSums":
        """Return the sums of single pairs.

        Parameters
        ----------
        rides
            Of the pairs; the other arrays may have more dimensions in front.
        median, mean
            What the model predicts, NaN where it does not.
        reference
            What the reference (`rushhour.core.models.REFERENCE`) predicts; None if there is none.
        """
        errors, known = errors_of(rides, mean)
        absolute = np.abs(errors_of(rides, median)[0])
        reference = np.array(np.nan) if reference is None else reference
        reference_errors, reference_known = errors_of(rides, reference)
        return cls(
            known,
            errors,
            errors * errors,
            np.where(known > 0, poisson_deviance(rides, mean), 0.0),
            absolute,
            absolute * reference_known,
            np.abs(reference_errors) * known,
        )

    def sum(self, axis: int | None = None) -> "ErrorSums":
        """Add up along an axis, or over everything."""
        return ErrorSums(*(np.asarray(term.sum(axis=axis)) for term in self.terms()))

    def rows(self, which: Mask) -> "ErrorSums":
        """Return the sums of some elements along the first axis."""
        return ErrorSums(*(term[which] for term in self.terms()))

    def terms(self) -> tuple[Floats, ...]:
        """Return the sums in the order of the fields."""
        return tuple(getattr(self, field.name) for field in fields(self))

    @property
    def mae(self) -> Floats:
        """Mean absolute error, rides per hour."""
        return ratio(self.absolute, self.pairs)

    @property
    def rmse(self) -> Floats:
        """Root mean squared error, rides per hour."""
        return np.sqrt(ratio(self.squares, self.pairs))

    @property
    def bias(self) -> Floats:
        """Mean error, rides per hour."""
        return ratio(self.errors, self.pairs)

    @property
    def deviance(self) -> Floats:
        """Mean Poisson deviance."""
        return ratio(self.deviances, self.pairs)

    @property
    def skill(self) -> Floats:
        """1 - MAE / MAE of the reference, over the pairs that both have."""
        return 1.0 - ratio(self.shared_absolute, self.shared_reference)

    def wape(self, rides: Floats) -> Floats:
        """Sum of absolute errors divided by the sum of the rides of the same pairs."""
        return ratio(self.absolute, rides)


TERMS = len(fields(ErrorSums))


def errors_of(rides: npt.NDArray[Any], predicted: Floats) -> tuple[Floats, Floats]:
    """Return predicted minus actual rides, 0 where unknown; and 1 where known, else 0.

    >>> [each.tolist() for each in errors_of(np.array([3, 4]), np.array([5.0, np.nan]))]
    [[2.0, 0.0], [1.0, 0.0]]
    """
    errors = predicted - rides
    known = ~np.isnan(errors)
    return np.where(known, errors, 0.0), known.astype(np.float64)
