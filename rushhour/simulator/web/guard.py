"""Who may read the pages and command the run: no other web page, and from elsewhere only by token.

A page of another site can make a browser send requests to this machine. It cannot choose their
`Host` and `Origin`, and it can send JSON only after a preflight request that is not answered.
"""

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Access = Literal["open", "token", "none"]

_LOCAL = "localhost"
_JSON = "application/json"
_BEARER = "bearer "

# What a page may load and do: nothing that is not of this server. Charts set styles of elements.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Refused(Exception):
    """A request that is not served: an HTTP status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one server.

    Parameters
    ----------
    host
        Address that the server is bound to.
    names
        Host names under which it may be reached beside those of this machine and plain addresses.
    token
        What a command must carry; empty for none.
    """

    host: str
    names: tuple[str, ...] = ()
    token: str = ""

    @property
    def access(self) -> Access:
        """What a command needs: nothing on loopback, else a token; `none` if there is no token."""
        if self.token:
            return "token"
        return "open" if is_loopback(self.host) else "none"

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Check that the browser was sent here by a name of this server.

        A plain address cannot belong to another site, but on loopback only those of this machine
        make sense.

        Raises
        ------
        Refused
            If the name could be of another site.
        """
        name = _host_of(headers.get("host", ""))
        if name == _LOCAL or name in self.names or is_loopback(name):
            return
        if not is_loopback(self.host) and _is_address(name):
            return
        raise Refused(
            421,
            f"this server is not known as '{name}': open it by its address, or name it in "
            "RUSHHOUR_WEB_NAMES",
        )

    def check_command(self, headers: Mapping[str, str]) -> None:
        """Check that a command comes from a page of this server, by someone who may command.

        Raises
        ------
        Refused
            Says why it does not.
        """
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != _JSON:
            raise Refused(415, f"send a command as {_JSON}")
        origin = headers.get("origin", "")
        if not origin or urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
            raise Refused(403, "a command must come from a page of this server")
        access = self.access
        if access == "none":
            raise Refused(
                403,
                "these pages are read-only: the server is reached from other machines and has no "
                "RUSHHOUR_WEB_TOKEN",
            )
        if access == "token" and not self._has_token(headers.get("authorization", "")):
            raise Refused(401, "a command needs the token of this server")

    def _has_token(self, authorization: str) -> bool:
        if not authorization.lower().startswith(_BEARER):
            return False
        given = authorization[len(_BEARER) :].strip()
        return hmac.compare_digest(given.encode(), self.token.encode())


class GuardedApp:
    """Checks the host of each request, and adds headers to each response that bind the browser."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        try:
            self._guard.check_host(Headers(scope=scope))
        except Refused as refused:
            response = PlainTextResponse(f"{refused.reason}\n", refused.status)
            await response(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == _LOCAL:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _host_of(header: str) -> str:
    """Return the name in a `Host` header, without the port; empty if it cannot be read."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""
