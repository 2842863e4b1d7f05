"""Redis URLs: which ones are accepted, and how they are printed."""

import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

from rushhour.core.errors import UsageError

SCHEMES = ("redis", "rediss", "unix")
# What may follow the `?` of a URL; the TLS options need rediss://.
_OPTIONS = ("db", "username", "password", "protocol", "client_name", "health_check_interval")
_NUMBERS = ("db", "protocol", "health_check_interval")
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS_OPTIONS = (*_TLS_FILES, "ssl_ca_path", "ssl_password", "ssl_cert_reqs", "ssl_check_hostname")
_CERT_REQS = ("required", "optional", "none")

MASK = "***"
_EXPECTED = "use redis://HOST:PORT, redis://:PASSWORD@HOST:PORT, rediss://HOST:PORT or unix://PATH"
# Up to the last @, so that a password with reserved characters is masked as well.
_USER_INFO = re.compile(r"(?<=://)([^\s:@]*):\S*@")
# A password without a host: what follows the colon is no port.
_NO_HOST = re.compile(r"(?<=://)([^\s:@/\[]*):(?!\d+(?:\W|$)|\*\*\*@)[^\s'\"@]+(?![^\s'\"]*@)")
_QUERY = re.compile(r"(?<=password=)[^&#\s'\"]*")


def check_redis_url(url: str) -> str:
    """Return a Redis URL as it is, if the client can use it.

    Raises
    ------
    UsageError
        If the scheme is not one of `SCHEMES`, or the port, the database or an option is invalid.
        The message does not hold the password.
    """
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in SCHEMES and "://" in url and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise UsageError(f"redis '{mask_url(url)}' is not a Redis URL: {_EXPECTED}")
    problem = _problem(parts)
    if problem:
        raise UsageError(f"redis '{mask_url(url)}' is invalid: {problem}")
    return url


def _problem(parts: SplitResult) -> str:
    """Return what is wrong with a URL of a known scheme; empty if nothing is."""
    path, is_socket = parts.path.strip("/"), parts.scheme == "unix"
    if is_socket and not path:
        return "it has no path: use unix://PATH"
    if not is_socket and path and not path.isdecimal():
        return "its path is not the number of a database: use redis://HOST:PORT/NUMBER"
    is_tls = parts.scheme == "rediss"
    options = parse_qs(parts.query, keep_blank_values=True)
    found = (_option_problem(name, values[0], is_tls=is_tls) for name, values in options.items())
    return next(filter(None, found), "")


def _option_problem(name: str, value: str, *, is_tls: bool) -> str:
    """Return what is wrong with an option of a URL; empty if nothing is."""
    problems = (
        (
            name not in (*_OPTIONS, *_TLS_OPTIONS),
            f"it has an unknown option: use {', '.join((*_OPTIONS, *_TLS_OPTIONS))}",
        ),
        (name in _TLS_OPTIONS and not is_tls, f"{name} needs rediss://"),
        (name in _NUMBERS and not value.isdecimal(), f"{name} is not a number"),
        (
            name == "ssl_cert_reqs" and value not in _CERT_REQS,
            f"{name} is none of {', '.join(_CERT_REQS)}",
        ),
        (name in _TLS_FILES and not Path(value).is_file(), f"{name}: no such file"),
    )
    return next((problem for is_wrong, problem in problems if is_wrong), "")


def mask_url(url: str) -> str:
    """Return a Redis URL, valid or not, with its password replaced.

    >>> mask_url("redis://:my secret@localhost:6379/0")
    'redis://:***@localhost:6379/0'
    >>> mask_url("user:secret@localhost:6379")
    '***@localhost:6379'
    """
    if "://" not in url and "@" in url:
        return f"{MASK}@{url.rpartition('@')[2]}"
    return mask_password(re.sub(r"\s", "_", url))


def mask_password(text: str) -> str:
    """Return a text with the passwords of URLs in it replaced.

    >>> mask_password("cannot use redis://:secret@localhost:6379/0: no answer")
    'cannot use redis://:***@localhost:6379/0: no answer'
    >>> mask_password("redis://:secret")
    'redis://:***'
    >>> mask_password("unix:///run/redis.sock?db=1&password=secret")
    'unix:///run/redis.sock?db=1&password=***'
    """
    text = _USER_INFO.sub(rf"\1:{MASK}@", text)
    text = _NO_HOST.sub(rf"\1:{MASK}", text)
    return _QUERY.sub(MASK, text)
