"""Downloads from a real HTTP server on the loopback interface."""

import hashlib
import os
import re
import socket
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from producers.month import download as download_module
from producers.month.datasets import OfficialFile
from producers.month.download import download
from rushhour.core.errors import DataError

NAME = "green_tripdata_2024-10.parquet"
BODY = bytes(range(256)) * 4_000


class TripServer(ThreadingHTTPServer):
    """Serves BODY, with the faults that its attributes select."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges = True
        self.statuses: list[int] = []  # the first responses
        self.drops: list[int] = []  # bytes after which connections are cut
        self.range_shift = 0  # wrong start of a range
        self.short_range: int | None = None  # maximal bytes of a range
        self.chunked = False
        self.asked: list[str | None] = []  # the Range header of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{NAME}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Do not log connections that a test cuts."""


class Handler(BaseHTTPRequestHandler):
    server: TripServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        content = b"" if server.statuses else BODY
        found = re.fullmatch(r"bytes=(\d+)-", asked or "") if server.ranges else None
        if server.statuses or found is None:
            self.send_response(server.statuses.pop(0) if server.statuses else 200)
        elif int(found[1]) >= len(BODY):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(BODY)}")
            content = b""
        else:
            start = int(found[1]) + server.range_shift
            content = BODY[start:][: server.short_range]
            self.send_response(206)
            span = f"{start}-{start + len(content) - 1}"
            self.send_header("Content-Range", f"bytes {span}/{len(BODY)}")
        self.send_body(content)

    def send_body(self, content: bytes) -> None:
        server = self.server
        kept = content[: server.drops.pop(0)] if server.drops else content
        if server.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(kept), kept))
            self.wfile.write(b"0\r\n\r\n" if kept == content else b"")
        else:
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(kept)
        if kept != content:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Do not log requests."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TripServer]:
    monkeypatch.setattr(download_module, "_WAITS_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr(download_module, "_SCHEMES", ("http",))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with TripServer() as running:
        thread = Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def official(server: TripServer, *, known: bool = True) -> OfficialFile:
    facts = (len(BODY), hashlib.sha256(BODY).hexdigest()) if known else (None, None)
    return OfficialFile(NAME, server.url, *facts)


BOTH_KNOWN = pytest.mark.parametrize("known", [True, False])
BOTH_CHUNKED = pytest.mark.parametrize("chunked", [True, False])


def quiet(done: int, total: int | None) -> None:
    """Ignore progress."""


def part_of(directory: Path) -> Path:
    return directory / f"{NAME}.part"


def message(file: OfficialFile, directory: Path) -> str:
    with pytest.raises(DataError) as caught:
        download(file, directory, quiet)
    text = str(caught.value)
    assert "\n" not in text
    return text


@BOTH_KNOWN
@BOTH_CHUNKED
def test_a_file_is_downloaded_into_a_new_directory(
    server: TripServer, tmp_path: Path, known: bool, chunked: bool
) -> None:
    server.chunked = chunked
    seen: list[tuple[int, int | None]] = []
    directory = tmp_path / "new" / "cache"
    path = download(official(server, known=known), directory, lambda *step: seen.append(step))
    assert (directory / NAME).read_bytes() == BODY
    assert list(directory.iterdir()) == [path]
    total = None if chunked else len(BODY)
    assert seen[0] == (0, total)
    assert seen[-1] == (len(BODY), total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_an_existing_file_is_not_requested(server: TripServer, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"x" * len(BODY))
    download(official(server), tmp_path, quiet)
    assert server.asked == []


def test_a_file_of_another_size_is_replaced(server: TripServer, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"cut off")
    with httpx.Client() as client:
        assert download(official(server), tmp_path, quiet, client).read_bytes() == BODY
        assert not client.is_closed


@BOTH_KNOWN
def test_an_earlier_part_is_resumed(server: TripServer, tmp_path: Path, known: bool) -> None:
    part_of(tmp_path).write_bytes(BODY[:1_000])
    seen: list[int] = []
    path = download(official(server, known=known), tmp_path, lambda done, _: seen.append(done))
    assert path.read_bytes() == BODY
    assert server.asked == ["bytes=1000-"]
    assert seen[0] == 1_000


def test_a_server_without_ranges_starts_over(server: TripServer, tmp_path: Path) -> None:
    server.ranges = False
    part_of(tmp_path).write_bytes(b"z" * 1_000)
    assert download(official(server), tmp_path, quiet).read_bytes() == BODY
    assert server.asked == ["bytes=1000-"]


def test_a_range_with_other_bytes_than_requested(server: TripServer, tmp_path: Path) -> None:
    file = official(server, known=False)
    server.range_shift = 7
    part_of(tmp_path).write_bytes(BODY[:1_000])
    assert download(file, tmp_path, quiet).read_bytes() == BODY
    assert server.asked == ["bytes=1000-", None]

    server.range_shift, server.short_range, server.asked = 0, 500_000, []
    part_of(tmp_path).write_bytes(BODY[:1_000])
    (tmp_path / NAME).unlink()
    assert download(file, tmp_path, quiet).read_bytes() == BODY
    assert server.asked == ["bytes=1000-", "bytes=501000-", "bytes=1001000-"]


@BOTH_KNOWN
def test_a_complete_part_is_renamed(server: TripServer, tmp_path: Path, known: bool) -> None:
    part_of(tmp_path).write_bytes(BODY)
    assert download(official(server, known=known), tmp_path, quiet).read_bytes() == BODY
    # With a known size no request is needed; without, the server answers 416.
    assert server.asked == ([] if known else [f"bytes={len(BODY)}-"])
    assert not part_of(tmp_path).exists()


@BOTH_KNOWN
def test_a_part_that_is_too_long_starts_over(
    server: TripServer, tmp_path: Path, known: bool
) -> None:
    part_of(tmp_path).write_bytes(BODY + b"more")
    assert download(official(server, known=known), tmp_path, quiet).read_bytes() == BODY
    assert server.asked == [f"bytes={len(BODY) + 4}-", None]


@BOTH_CHUNKED
def test_a_dropped_connection_is_resumed(server: TripServer, tmp_path: Path, chunked: bool) -> None:
    server.chunked = chunked
    server.drops = [300_000, 200_000]
    assert download(official(server), tmp_path, quiet).read_bytes() == BODY
    resumed = [int((asked or "").removeprefix("bytes=")[:-1]) for asked in server.asked[1:]]
    assert len(resumed) == 2
    assert 0 < resumed[0] < resumed[1] <= 500_000


def test_a_connection_that_keeps_dropping_leaves_a_part_that_the_next_try_resumes(
    server: TripServer, tmp_path: Path
) -> None:
    server.drops = [10_000] * 4
    kept_part = f"{part_of(tmp_path)} is kept and the next try resumes it"
    assert kept_part in message(official(server), tmp_path)
    assert len(server.asked) == 4
    kept = part_of(tmp_path).stat().st_size
    assert 0 < kept <= 40_000
    assert not (tmp_path / NAME).exists()
    assert download(official(server), tmp_path, quiet).read_bytes() == BODY
    assert server.asked[-1] == f"bytes={kept}-"


def test_a_temporary_error_of_the_server_is_retried(server: TripServer, tmp_path: Path) -> None:
    server.statuses = [503] * 4
    assert "HTTP 503: check the network and try again" in message(official(server), tmp_path)
    server.statuses = [503, 429]
    assert download(official(server), tmp_path, quiet).read_bytes() == BODY


def test_a_wrong_hash_is_reported_and_the_part_deleted(server: TripServer, tmp_path: Path) -> None:
    file = OfficialFile(NAME, server.url, len(BODY), "0" * 64)
    found = hashlib.sha256(BODY).hexdigest()
    assert f"sha256 {found}, not {'0' * 64}" in message(file, tmp_path)
    assert os.listdir(tmp_path) == []


@BOTH_CHUNKED
def test_a_wrong_size_is_reported_and_the_part_deleted(
    server: TripServer, tmp_path: Path, chunked: bool
) -> None:
    server.chunked = chunked
    file = OfficialFile(NAME, server.url, 999, None)
    found = message(file, tmp_path)
    # Chunked, its size is not known before its end, and no more than the limit is written.
    assert re.search(
        r"[\d,]+ bytes or more, not 999;" if chunked else "1,024,000 bytes, not", found
    )
    assert os.listdir(tmp_path) == []


@BOTH_CHUNKED
def test_a_file_of_unknown_size_has_a_limit(
    server: TripServer, tmp_path: Path, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "_MOST_BYTES", 500_000)
    server.chunked = chunked
    seen: list[int] = []
    with pytest.raises(DataError, match="not at most 500,000; the download was deleted"):
        download(official(server, known=False), tmp_path, lambda done, _: seen.append(done))
    assert max(seen, default=0) <= 500_000
    assert os.listdir(tmp_path) == []


def redirecting(*targets: str) -> httpx.Client:
    """A client of a server that answers each request with the next redirect, then with BODY."""
    left = list(targets)

    def answer(_: httpx.Request) -> httpx.Response:
        if left:
            return httpx.Response(302, headers={"Location": left.pop(0)})
        return httpx.Response(200, stream=httpx.ByteStream(BODY))

    return httpx.Client(transport=httpx.MockTransport(answer))


SECURE = OfficialFile(NAME, f"https://host/{NAME}", None, None)


def test_redirects_are_followed_over_https(tmp_path: Path) -> None:
    with redirecting("https://mirror/a", "/b") as client:
        assert download(SECURE, tmp_path, quiet, client).read_bytes() == BODY


@pytest.mark.parametrize("first", [[], ["https://mirror/a"]])
def test_a_redirect_to_http_is_refused(tmp_path: Path, first: list[str]) -> None:
    with (
        redirecting(*first, "http://mirror/b") as client,
        pytest.raises(DataError, match=r"leads to http://mirror/b, which is not HTTPS"),
    ):
        download(SECURE, tmp_path, quiet, client)
    assert os.listdir(tmp_path) == []


def test_a_url_without_https_is_refused(tmp_path: Path) -> None:
    with redirecting() as client, pytest.raises(DataError, match="is not HTTPS"):
        download(OfficialFile(NAME, f"http://host/{NAME}", None, None), tmp_path, quiet, client)


def test_redirects_without_an_end_are_refused(tmp_path: Path) -> None:
    with (
        redirecting(*["https://host/again"] * 30) as client,
        pytest.raises(DataError, match="more than 10 redirects"),
    ):
        download(SECURE, tmp_path, quiet, client)


@pytest.mark.parametrize("status", [403, 404])
def test_a_month_that_does_not_exist_is_reported_once(
    server: TripServer, tmp_path: Path, status: int
) -> None:
    server.statuses = [status]
    missing = f"{NAME} does not exist at {server.url} (HTTP {status})"
    assert missing in message(official(server), tmp_path)
    assert len(server.asked) == 1


def test_no_network_fails_at_once_and_keeps_an_earlier_part(
    server: TripServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("tried again"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/{NAME}"
        part_of(tmp_path).write_bytes(BODY[:1_000])
        text = message(OfficialFile(NAME, url, len(BODY), None), tmp_path)
    assert text.startswith(f"cannot download {url}: ")
    assert "is kept" in text
    assert part_of(tmp_path).read_bytes() == BODY[:1_000]


def test_an_invalid_url_or_proxy_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = OfficialFile(NAME, "http://host:port/", None, None)
    assert "http://host:port/: Invalid port" in message(file, tmp_path)
    monkeypatch.setenv("HTTP_PROXY", "nonsense://127.0.0.1:1")
    assert "check the proxy" in message(file, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full, which only Linux has")
def test_a_full_disk_is_reported(server: TripServer, tmp_path: Path) -> None:
    part_of(tmp_path).symlink_to("/dev/full")
    full = f"cannot write to {tmp_path}: No space left on device: free some space"
    assert full in message(official(server), tmp_path)


def test_a_directory_that_cannot_be_written_is_reported(server: TripServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    # Not even root may create a file in /sys.
    for directory in (tmp_path / "file" / "cache", Path("/sys")):
        assert f"cannot write to {directory}: " in message(official(server), directory)
