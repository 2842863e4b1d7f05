"""The metric of the installed version, which every process exports."""

from importlib.metadata import version

from prometheus_client import Gauge

BUILD_INFO = Gauge("rushhour_build_info", "Version of rushhour; the value is always 1", ["version"])


def export_version() -> None:
    """Export the installed version."""
    BUILD_INFO.labels(version("rushhour")).set(1)
