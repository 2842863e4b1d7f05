"""The description of a run: written to Redis before it starts, read by all its processes."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rushhour.core.hours import HOUR_MS, hour_label, parse_label
from rushhour.core.surges import Surge, parse_surges
from rushhour.core.version import VERSION

SYNTHETIC = "synthetic"


def new_run_id() -> str:
    """Return an id that no other run has."""
    return secrets.token_hex(6)


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run over the hours of [`start_ts`, `end_ts`), both epoch milliseconds.

    `source` is the name of the trip file, or `synthetic`. `file` is its path, empty for synthetic
    data. `dataflows` and `consumers` are the numbers of processes that share the work. `surge` has
    the format of `format_surges`, and is empty if the trips are replayed unchanged. `models` are
    the names of all models, the served one first. `rows`, `size` (bytes) and `sha256` are those of
    the file, 0 and empty for synthetic data. `version` is the rushhour that started the run.
    """

    run_id: str
    dataset: str
    month: str
    source: str
    file: str
    start_ts: int
    end_ts: int
    dataflows: int = 1
    consumers: int = 1
    surge: str = ""
    models: tuple[str, ...] = ()
    rows: int = 0
    size: int = 0
    sha256: str = ""
    version: str = VERSION

    @property
    def synthetic(self) -> bool:
        """Whether the trips are synthetic."""
        return self.source == SYNTHETIC

    @property
    def surges(self) -> tuple[Surge, ...]:
        """The surges that are applied to the trips before they are replayed."""
        return parse_surges(self.surge)

    def replays_the_same_as(self, other: "RunInfo") -> bool:
        """Whether both runs have the same result, whatever their numbers of processes.

        The content of the file counts, not where it is or what it is called.
        """
        return not self.differences(other)

    def differences(self, other: "RunInfo") -> tuple[str, ...]:
        """Return which fields of `to_fields` differ, of those that the result depends on."""
        mine, others = self._result_of().to_fields(), other._result_of().to_fields()
        return tuple(name for name in mine if mine[name] != others[name])

    def _result_of(self) -> "RunInfo":
        """Return the run without what its result does not depend on."""
        source = SYNTHETIC if self.synthetic else ""
        return replace(self, run_id="", source=source, file="", dataflows=1, consumers=1)

    @property
    def hours(self) -> int:
        """The number of hours of the run."""
        return (self.end_ts - self.start_ts) // HOUR_MS

    @property
    def processes(self) -> tuple[str, ...]:
        """The names of the processes of the run, as their leases have them.

        >>> RunInfo("id", "green", "2024-10", "a", "/a", 0, 1, dataflows=2).processes
        ('producer-0', 'dataflow-0', 'dataflow-1', 'consumer-0')
        """
        return (
            "producer-0",
            *(f"dataflow-{process}" for process in range(self.dataflows)),
            *(f"consumer-{process}" for process in range(self.consumers)),
        )

    def to_fields(self) -> dict[str, str | int]:
        """Return the run as the fields of a hash."""
        return {
            "run_id": self.run_id,
            "dataset": self.dataset,
            "month": self.month,
            "source": self.source,
            "file": self.file,
            "from": hour_label(self.start_ts),
            "until": hour_label(self.end_ts - HOUR_MS),
            "dataflows": self.dataflows,
            "consumers": self.consumers,
            "surge": self.surge,
            "models": ",".join(self.models),
            "rows": self.rows,
            "size": self.size,
            "sha256": self.sha256,
            "version": self.version,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "RunInfo":
        """Return the run from the fields of `to_fields`.

        Raises
        ------
        KeyError, ValueError
            If a field is missing, or cannot be read.
        """
        return cls(
            run_id=fields["run_id"],
            dataset=fields["dataset"],
            month=fields["month"],
            source=fields["source"],
            file=fields["file"],
            start_ts=parse_label(fields["from"]),
            end_ts=parse_label(fields["until"]) + HOUR_MS,
            dataflows=int(fields["dataflows"]),
            consumers=int(fields["consumers"]),
            surge=fields["surge"],
            models=tuple(filter(None, fields["models"].split(","))),
            rows=int(fields["rows"]),
            size=int(fields["size"]),
            sha256=fields["sha256"],
            version=fields["version"],
        )
