"""`rushhour submit`: send predictions from a file to the live run, and say which it has taken."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa

from rushhour.core.errors import DataError, UsageError
from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents import schema
from rushhour.simulator.stack.open_run import open_live_run
from rushhour.simulator.stack.run_kafka import kafka_of
from rushhour.submissions import Submitted, submit_to

_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": pd.read_parquet,
    ".csv": pd.read_csv,
}


def submit(settings: Settings, output: Output, file: Path, model: str) -> None:
    """Submit the predictions of a file, and print what became of them.

    Raises
    ------
    DataError
        If the file cannot be read.
    UsageError
        If it lacks a column, or it is not known where the Kafka of the run is.
    RushhourError
        If no run is live, or it does not judge the predictions.
    """
    frame = _read(file)
    with open_live_run(settings) as opened:
        cluster = kafka_of(settings, opened)
        if cluster is None:
            raise UsageError("submissions go to Kafka: name the Kafka of the run with --kafka")
        submitted = submit_to(opened.client, cluster, frame, model)
    if output.as_json:
        output.document(
            schema.Submitted(
                model=model,
                sent=submitted.sent,
                taken=submitted.taken,
                rejected_by_reason=dict(submitted.rejected),
            )
        )
        return
    output.show(_sentence(submitted))


def _sentence(submitted: Submitted) -> str:
    taken = f"{submitted.taken:,} of {submitted.sent:,} predictions of {submitted.model} taken"
    if submitted.taken == submitted.sent:
        return f"{taken}: `rushhour models` scores them as their hours close"
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in submitted.rejected.items())
    return f"{taken}; rejected: {reasons}: see `rushhour dead-letters`"


def _read(file: Path) -> pd.DataFrame:
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise UsageError(f"{file}: predictions are read from {' and '.join(_READERS)} files")
    try:
        return reader(file)
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}") from None
    except (ValueError, pa.ArrowException) as error:
        line = str(error).partition("\n")[0]
        raise DataError(f"{file} cannot be read as {file.suffix[1:]}: {line}") from None
