import pytest

from rushhour.core.errors import UsageError
from rushhour.core.history import LEAST_HOURS, parse_keep
from rushhour.core.settings import Settings


@pytest.mark.parametrize(
    ("text", "hours"), [("35d", 840), (" 14D ", 336), ("336h", 336), ("840 h", 840), ("all", None)]
)
def test_a_history_is_given_in_days_or_hours(text: str, hours: int | None) -> None:
    assert parse_keep(text) == hours


@pytest.mark.parametrize("text", ["13d", "335h", "0d", "0h"])
def test_a_history_that_is_too_short_is_refused_with_the_least(text: str) -> None:
    with pytest.raises(UsageError, match=r"too short: keep at least 14d \(336h\)"):
        parse_keep(text)


@pytest.mark.parametrize("text", ["", "35", "35w", "-35d", "1.5d", "none", "35d 2h", "\u0663d"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a history: write it as 35d, 840h or all"):
        parse_keep(text)


def test_a_plain_run_keeps_all_and_a_loop_35_days() -> None:
    assert Settings.load().keep_hours is None
    assert Settings.load(loop=True).keep_hours == 35 * 24
    assert Settings.load(loop=True, keep="all").keep_hours is None
    assert Settings.load(keep="14d").keep_hours == LEAST_HOURS
