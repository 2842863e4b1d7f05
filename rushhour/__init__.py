"""Replay New York taxi trips as a live stream, forecast every zone's next hour, and score it.

The `rushhour` command starts and inspects a run. From Python, read one as pandas tables::

    import rushhour

    client = rushhour.connect("redis://127.0.0.1:6399/0")
    table = rushhour.views.comparison(client, "2024-10-02", "2024-10-03")

`connect` returns a `redis.Redis`; `views` is the module `rushhour.views`, `clock` the module
`rushhour.clock`, and `gates` the module `rushhour.gates`, which keeps a pipeline in step with the
clock; `now()` is simulated time; `submit` sends predictions of your own to a live run; every error
that a caller can cause is a `RushhourError`. Importing `rushhour` loads none of its dependencies:
each name is loaded when it is first used (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rushhour import clock, gates, views
    from rushhour.clock import now
    from rushhour.core.errors import RushhourError
    from rushhour.runtime.redis_client import connect
    from rushhour.submissions import submit

    __version__: str

__all__ = [
    "RushhourError",
    "__version__",
    "clock",
    "connect",
    "gates",
    "now",
    "submit",
    "views",
]

_MODULES = {"clock", "gates", "views"}
_MODULE_OF = {
    "RushhourError": "rushhour.core.errors",
    "connect": "rushhour.runtime.redis_client",
    "now": "rushhour.clock",
    "submit": "rushhour.submissions",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"rushhour.{name}")
    if name == "__version__":
        return import_module("importlib.metadata").version("rushhour")
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'rushhour' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(globals().keys() | set(__all__))
