"""`rushhour download`, and the progress of a download for the commands that need a trip file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from producers.month.datasets import official_file
from producers.month.download import download as download_file
from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents import schema


def download(settings: Settings, output: Output) -> None:
    """Download the official trip file of each month into the cache, unless it is there."""
    for month in settings.months:
        path = fetch(settings, output, month)
        size = path.stat().st_size
        if output.as_json:
            output.document(
                schema.Download(
                    dataset=settings.dataset, month=month, path=str(path), size_bytes=size
                )
            )
        else:
            output.show(f"{path} ({size:,} bytes)")


def fetch(settings: Settings, output: Output, month: str) -> Path:
    """Return the official trip file of a month; download it, with progress, unless it is there.

    Raises
    ------
    UnreachableError
        If the network is unreachable.
    DataError
        If the download fails for another reason.
    """
    file = official_file(settings.dataset, month)
    with _progress(output, f"downloading {settings.dataset} {month}") as advance:
        return download_file(file, settings.cache_dir, advance)


@contextmanager
def _progress(output: Output, description: str) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a callback (bytes done, bytes in all) that draws a progress bar once it is called."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=output.notes,
        transient=True,
        disable=not output.notes.is_live,
    )
    task = progress.add_task(description, start=False)
    started = False

    def advance(done: int, total: int | None) -> None:
        nonlocal started
        if not started:
            started = True
            if not output.notes.is_live:
                output.note(f"{description} ...")
            progress.start()
            progress.start_task(task)
        progress.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        progress.stop()
