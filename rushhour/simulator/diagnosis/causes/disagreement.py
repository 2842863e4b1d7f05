"""The two times of a row, `pickup_hour` and `pickup_ts`, are not the same instant."""

from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.finding import Finding


def examine(case: Case, column: str) -> Finding | None:
    """Compare the second time of each row with its first."""
    first, second = (case.predictions.times(name) for name in (case.time, column))
    differ = first.readable & second.readable & (first.ts != second.ts)
    if not differ.any():
        return None
    index = int(differ.argmax())
    _, actual = case.example(differ)
    return Finding(
        "disagreement",
        f"{case.time} and {column} of the predictions are different instants",
        int(differ.sum()),
        f"make one from the other: drop the wrong one of {case.time} and {column}",
        case.predictions.row(index, (case.time, column)),
        actual,
    )
