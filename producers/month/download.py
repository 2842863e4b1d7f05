"""Download one official trip file: resumable, checked, and renamed atomically.

Bytes go to `NAME.part`. Only a file with the expected size and hash gets its real name, so a file
with that name is always complete. Only HTTPS is used, after redirects too, and no more bytes are
written than a trip file may have.
"""

import errno
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx

from producers.month.datasets import OfficialFile
from rushhour.core.errors import DataError, UnreachableError

Progress = Callable[[int, int | None], None]

_SCHEMES = ("https",)
_MOST_REDIRECTS = 10
_MOST_BYTES = 2**30  # of a file of unknown size; the largest months have a quarter of that
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_WAITS_S = (0.5, 1.0, 2.0, 4.0)  # before each further attempt
# Compressed by a proxy, the bytes would fit neither the size nor the range.
_HEADERS = {"Accept-Encoding": "identity"}
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
# The store behind the TLC's site answers 403, not 404, for a file that does not exist.
_MISSING = (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND)


class _TryAgainError(Exception):
    """The server has a temporary problem."""


def download(
    file: OfficialFile,
    directory: Path,
    progress: Progress,
    client: httpx.Client | None = None,
) -> Path:
    """Download a file into a directory and return its path.

    Returns at once if the file exists with the right size. Otherwise resumes an earlier attempt.

    Parameters
    ----------
    file
        What to download, with size and hash to check if they are known.
    directory
        Where to put it; created if it does not exist.
    progress
        Called with the bytes received and the bytes in total (None if unknown).
    client
        The HTTP client; by default one that uses the proxy settings of the environment.

    Raises
    ------
    UnreachableError
        If the server is unreachable.
    DataError
        If the file does not exist there, cannot be written, or differs from the expected one.
    """
    target = directory / file.name
    part = directory / f"{file.name}.part"
    with _disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        if target.is_file() and file.size in (None, target.stat().st_size):
            return target
    # A client that was passed in stays open: it belongs to the caller.
    with nullcontext(client) if client else _new_client() as session, _disk_errors(directory):
        transfer = _Transfer(file, part, progress, session)
        if file.size is None or transfer.size != file.size:
            transfer.run()
        _check_content(file, part)
        os.replace(part, target)
    return target


@dataclass(slots=True)
class _Transfer:
    """A transfer from the server to the part file; `received` counts bytes of this process."""

    file: OfficialFile
    part: Path
    progress: Progress
    client: httpx.Client
    received: int = 0

    @property
    def size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def run(self) -> None:
        """Try a few times to complete the part file."""
        problem = "the server sent an incomplete file"
        for wait in (*_WAITS_S, None):
            try:
                if self._attempt():
                    return
            except (httpx.TransportError, _TryAgainError) as error:
                # No byte so far: most likely there is no network. Report it without retries.
                silent = isinstance(error, httpx.TransportError) and not self.received
                problem = _one_line(error)
                if silent or wait is None:
                    break
                time.sleep(wait)
            except (httpx.InvalidURL, httpx.TooManyRedirects, httpx.DecodingError) as error:
                raise DataError(f"{self.file.url}: {_one_line(error)}") from error
        kept = f"; {self.part} is kept and the next try resumes it" if self.size else ""
        raise UnreachableError(
            f"cannot download {self.file.url}: {problem}: check the network and try again{kept}"
        )

    def _attempt(self) -> bool:
        """Request the missing bytes; return whether the part file is complete now."""
        offset = self.size
        headers = _HEADERS | ({"Range": f"bytes={offset}-"} if offset else {})
        with self._get(headers) as response:
            start, total = self._answer(response, offset)
            if start is None:
                return offset == total or self._start_over()
            if start not in (0, offset):
                return self._start_over()
            if total is not None:
                self._check_size(total)
            self._store(response, start, total)
        if total is not None and self.size > total:
            return self._start_over()
        return total is None or self.size == total

    @contextmanager
    def _get(self, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Yield the response after all redirects, with its body still to be read."""
        request = self.client.build_request("GET", self.file.url, headers=headers)
        for _ in range(_MOST_REDIRECTS):
            if request.url.scheme not in _SCHEMES:
                raise DataError(
                    f"{self.file.url}: leads to {request.url}, which is not HTTPS: download the "
                    "file yourself and pass it as --data"
                )
            response = self.client.send(request, stream=True, follow_redirects=False)
            try:
                if response.next_request is None:
                    yield response
                    return
                request = response.next_request
            finally:
                response.close()
        raise httpx.TooManyRedirects(f"more than {_MOST_REDIRECTS} redirects", request=request)

    def _check_size(self, size: int, *, complete: bool = True) -> None:
        """Raise if a file of that size, or of at least that size, is not the expected one."""
        known = self.file.size
        if known is not None:
            unexpected = size != known if complete else size > known
        else:
            unexpected = size > _MOST_BYTES
        if unexpected:
            found = f"{size:,} bytes" if complete else f"{size:,} bytes or more"
            expected = f"at most {_MOST_BYTES:,}" if known is None else f"{known:,}"
            raise _unexpected(self.file, self.part, found, expected)

    def _answer(self, response: httpx.Response, offset: int) -> tuple[int | None, int | None]:
        """Return where the body starts (None: no body) and the bytes in total."""
        status = response.status_code
        if status == httpx.codes.OK:
            length = response.headers.get("Content-Length", "")
            return 0, int(length) if length.isdecimal() else None
        stated = content_range(response.headers.get("Content-Range", ""))
        if offset and status == httpx.codes.PARTIAL_CONTENT:
            return stated
        if offset and status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return None, stated[1]
        if status in _MISSING:
            raise DataError(
                f"{self.file.name} does not exist at {self.file.url} (HTTP {status}): "
                "check --dataset and --month"
            )
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
            raise _TryAgainError(f"HTTP {status}")
        raise DataError(f"{self.file.url} answered HTTP {status}: try again later")

    def _start_over(self) -> bool:
        """Delete a part file that cannot be resumed; return that it is incomplete."""
        self.part.unlink()
        return False

    def _store(self, response: httpx.Response, start: int, total: int | None) -> None:
        done = start
        self.progress(done, total)
        with self.part.open("ab" if start else "wb") as out:
            for chunk in response.iter_raw():
                done += len(chunk)
                self._check_size(done, complete=False)
                out.write(chunk)
                self.received += len(chunk)
                self.progress(done, total)
            out.flush()
            os.fsync(out.fileno())


def content_range(header: str) -> tuple[int | None, int | None]:
    """Return the first byte of a response and the bytes in total; None if not stated.

    >>> content_range("bytes 100-199/200"), content_range("bytes */200")
    ((100, 200), (None, 200))
    """
    found = _CONTENT_RANGE.fullmatch(header)
    if found is None:
        return None, None
    start, total = found.groups()
    return (None if start is None else int(start)), (None if total == "*" else int(total))


def _check_content(file: OfficialFile, part: Path) -> None:
    size = part.stat().st_size
    if file.size not in (None, size):
        raise _unexpected(file, part, f"{size:,} bytes", f"{file.size:,}")
    if file.sha256 is not None:
        with part.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if found != file.sha256:
            raise _unexpected(file, part, f"sha256 {found}", file.sha256)


def _unexpected(file: OfficialFile, part: Path, found: str, expected: str) -> DataError:
    part.unlink(missing_ok=True)
    return DataError(
        f"{file.url} is not the expected file: {found}, not {expected}; the download was deleted: "
        "try again, or download the file yourself and pass it as --data"
    )


def _new_client() -> httpx.Client:
    try:
        return httpx.Client(timeout=_TIMEOUT)
    except (OSError, ValueError, ImportError) as error:
        raise DataError(
            f"cannot start a download: {_one_line(error)}: check the proxy and certificate "
            "settings of the environment"
        ) from error


@contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    """Turn a failure to write into one line for the user."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "free some space, or choose another directory with --cache-dir"
        else:
            advice = "choose a directory that can be written with --cache-dir"
        raise DataError(f"cannot write to {directory}: {reason}: {advice}") from error


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
