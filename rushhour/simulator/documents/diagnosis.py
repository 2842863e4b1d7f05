"""The document about why predictions do not join."""

from pathlib import Path

from rushhour.simulator.diagnosis.diagnose import Diagnosis
from rushhour.simulator.diagnosis.finding import Finding
from rushhour.simulator.documents import objects, schema


def diagnosis_document(
    diagnosis: Diagnosis, predictions: Path, actuals: str, mended: Path | None
) -> schema.Diagnosis:
    """Return a diagnosis of a file against actual rides, with the file that was written."""
    return schema.Diagnosis(
        predictions=str(predictions),
        actuals=actuals,
        rows=diagnosis.rows,
        joined=diagnosis.joined,
        rows_mended=diagnosis.rows_mended,
        joined_mended=diagnosis.joined_mended,
        findings=[_finding(each) for each in diagnosis.findings],
        notes=[_finding(each) for each in diagnosis.notes],
        mended_file=None if mended is None else str(mended),
    )


def _finding(found: Finding) -> objects.JoinFinding:
    return objects.JoinFinding(
        cause=found.cause,
        summary=found.summary,
        side=found.side,
        rows=found.rows,
        cure=found.cure,
        is_certain=found.is_certain,
        prediction=None if found.prediction is None else dict(found.prediction),
        actual=None if found.actual is None else dict(found.actual),
    )
