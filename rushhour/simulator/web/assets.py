"""Files that the pages are made of: style sheets, scripts and libraries, compressed once."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"

JSON = "application/json"

_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": JSON,
    ".html": "text/html; charset=utf-8",
}
# The browser asks each time whether a file has changed, and mostly gets a few bytes.
_CACHE = "no-cache"
_HTML = ".html"  # parts of pages
_SMALL = 500  # bytes that are not worth compressing


@dataclass(frozen=True, slots=True)
class Asset:
    """Content of one file, plain and compressed, and the tag that names this version."""

    content: bytes
    zipped: bytes | None
    kind: str
    tag: str

    @classmethod
    def of(cls, content: bytes, kind: str) -> "Asset":
        """Return an asset with this content."""
        zipped = gzip.compress(content, 9, mtime=0) if len(content) >= _SMALL else None
        return cls(content, zipped, kind, f'"{hashlib.sha256(content).hexdigest()[:20]}"')

    def response(self, request: Request) -> Response:
        """Return the answer to a request: nothing but the tag, if the browser has this version."""
        headers = {"ETag": self.tag, "Cache-Control": _CACHE, "Vary": "Accept-Encoding"}
        if self.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        content = self.content
        if self.zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            content = self.zipped
            headers["Content-Encoding"] = "gzip"
        return Response(content, headers=headers, media_type=self.kind)


class Assets:
    """The files by name: those of the folder `static`, and libraries of other packages.

    Parameters
    ----------
    libraries
        Name under which a page asks for it -> where the file is.
    """

    def __init__(self, libraries: Mapping[str, Path] | None = None) -> None:
        own = {path.name: path for path in STATIC.iterdir() if path.suffix != _HTML}
        self._paths = own | dict(libraries or {})
        self._load = cache(self._read)

    def respond(self, request: Request) -> Response:
        """Answer a request for a file by its name."""
        path = self._paths.get(request.path_params["name"])
        if path is None:
            return Response("no such file\n", 404, media_type="text/plain")
        return self._load(path).response(request)

    @staticmethod
    def _read(path: Path) -> Asset:
        return Asset.of(path.read_bytes(), _KINDS[path.suffix])
