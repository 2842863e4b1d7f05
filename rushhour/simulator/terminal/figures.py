"""Figures as text for a person; a dash stands for what is not known."""

import math

UNKNOWN = "-"


def figure(value: float | None, decimals: int = 3) -> str:
    """Return a figure with thousands separators.

    >>> figure(3.07449), figure(5497.37, 1), figure(float("nan")), figure(None)
    ('3.074', '5,497.4', '-', '-')
    """
    return UNKNOWN if value is None or math.isnan(value) else f"{value:,.{decimals}f}"


def percent(share: float | None) -> str:
    """Return a share as a percentage.

    >>> percent(0.8994), percent(float("nan"))
    ('89.9 %', '-')
    """
    return UNKNOWN if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def count(value: int | None) -> str:
    """Return a number of things with thousands separators.

    >>> count(3833731), count(None)
    ('3,833,731', '-')
    """
    return UNKNOWN if value is None else f"{value:,}"


def with_unit(text: str, unit: str) -> str:
    """Return a figure with its unit; a dash needs none.

    >>> with_unit("3.074", "rides/h"), with_unit("-", "rides/h")
    ('3.074 rides/h', '-')
    """
    return text if text == UNKNOWN else f"{text} {unit}"
