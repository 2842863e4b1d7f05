"""Only what has changed is written, and the terminal then shows the whole screen."""

from hypothesis import given
from hypothesis import strategies as st

from rushhour.simulator.terminal.remote.painter import changes
from tests.fixtures.terminal import Screen

COLUMNS, ROWS = 12, 3
CELLS = st.tuples(st.sampled_from("ab "), st.sampled_from(("", "\x1b[1m", "\x1b[32m")))
SCREENS = st.lists(
    st.lists(CELLS, min_size=COLUMNS, max_size=COLUMNS), min_size=ROWS, max_size=ROWS
)
Lines = list[list[tuple[str, str]]]


def plain(*lines: str) -> Lines:
    return [[(character, "") for character in line] for line in lines]


@given(SCREENS, SCREENS)
def test_a_terminal_shows_the_screen_after_the_changes(before: Lines, after: Lines) -> None:
    screen = Screen(COLUMNS, ROWS)
    blank = [[(" ", "")] * COLUMNS] * ROWS
    for old, new in ((blank, before), (before, after)):
        screen.feed(changes(old, new))
        assert screen.lines == ["".join(text for text, _ in line).rstrip() for line in new]
    assert changes(after, after) == ""


def test_near_changes_share_one_move_of_the_cursor_and_far_ones_do_not() -> None:
    before = plain("0000000000000000")
    assert changes(before, plain("1000001000000000")) == "\x1b[1;1H1000001"
    assert changes(before, plain("1000000000000001")) == "\x1b[1;1H1\x1b[1;16H1"


def test_a_wide_character_is_written_whole() -> None:
    before = [[("市", ""), ("", ""), ("a", "")]]
    after = [[("市", ""), ("", "\x1b[1m"), ("b", "")]]
    assert changes(before, after).startswith("\x1b[1;1H市")
