"""What a cause has found: which rows, an example of each side, and the cure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Side = Literal["predictions", "actuals"]
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One cause for which rows do not join.

    Parameters
    ----------
    cause
        Name of the kind of cause: its module in `causes`.
    summary
        What is wrong, in a sentence.
    rows
        How many rows of `side` are concerned.
    cure
        What to do.
    prediction, actual
        A row of each side as an example: column -> value as text; None if there is none.
    side
        Whose rows are counted.
    mended
        The predictions (an Arrow table) after the cure, if the cure is certain.
    is_note
        It keeps no row from joining; it is good to know.
    is_fatal
        Nothing else can be examined before it is cured.
    """

    cause: str
    summary: str
    rows: int
    cure: str
    prediction: Row | None = None
    actual: Row | None = None
    side: Side = "predictions"
    mended: Any = field(default=None)
    is_note: bool = False
    is_fatal: bool = False

    @property
    def is_certain(self) -> bool:
        """Whether the cure is certain, so that it can be applied."""
        return self.mended is not None
