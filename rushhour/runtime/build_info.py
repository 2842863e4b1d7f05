"""The metric of the installed version, which every process exports."""

from prometheus_client import Gauge

from rushhour.core.version import VERSION

BUILD_INFO = Gauge("rushhour_build_info", "Version of rushhour; the value is always 1", ["version"])


def export_version() -> None:
    """Export the installed version."""
    BUILD_INFO.labels(VERSION).set(1)
