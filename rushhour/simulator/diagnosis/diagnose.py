"""Examine the causes one after the other, each behind the cures of those before it."""

from dataclasses import dataclass
from typing import Any

from rushhour.simulator.diagnosis.case import Case, Table
from rushhour.simulator.diagnosis.causes import CAUSES, LAST, Cause
from rushhour.simulator.diagnosis.finding import Finding


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """Why rows of the predictions do not join.

    Parameters
    ----------
    rows, joined
        Rows of the predictions, and how many of them join as they are.
    joined_mended, rows_mended
        The same after all certain cures.
    findings
        Each cause, in the order in which they were found.
    notes
        What keeps no row from joining.
    mended
        The predictions after all certain cures, an Arrow table; None if there was none.
    """

    rows: int
    joined: int
    rows_mended: int
    joined_mended: int
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    mended: Any

    @property
    def is_healthy(self) -> bool:
        """Whether all rows join and nothing is wrong with them."""
        return not self.findings and self.joined == self.rows


def diagnose(predictions: Any, actuals: Any) -> Diagnosis:
    """Find out why rows of the predictions do not join with the actual rides.

    Parameters
    ----------
    predictions
        An Arrow table with `pickup_location_id`, `pickup_hour` or `pickup_ts` (or both), and
        `predicted_demand`.
    actuals
        An Arrow table with the same keys, and `rides`.
    """
    # What pandas has noted about the types would bring those back in the mended table.
    case = Case(Table(predictions.replace_schema_metadata(None)), Table(actuals))
    joined = int(case.joins.sum())
    found: list[Finding] = []
    for cause in CAUSES:
        case = _examine(cause, case, found)
        if found and found[-1].is_fatal:
            break
    findings = [each for each in found if not each.is_note]
    if all(each.is_certain for each in findings):
        case = _examine(LAST, case, findings)
    is_mended = any(each.is_certain for each in findings)
    return Diagnosis(
        rows=len(predictions),
        joined=joined,
        rows_mended=len(case.predictions),
        joined_mended=int(case.joins.sum()),
        findings=tuple(findings),
        notes=tuple(each for each in found if each.is_note),
        mended=case.predictions.arrow if is_mended else None,
    )


def _examine(cause: Cause, case: Case, found: list[Finding]) -> Case:
    """Add what a cause finds in each of its columns; return the case after its certain cures."""
    for column in cause.columns(case):
        finding = cause.examine(case, column)
        if finding is None:
            continue
        found.append(finding)
        if finding.is_fatal:
            break
        if finding.is_certain:
            case = case.with_predictions(finding.mended)
    return case
