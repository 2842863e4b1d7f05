"""Tables and facts that fit: headers shrink, then texts, then columns go; figures stay whole."""

import pytest

from rushhour.simulator.terminal.fitted import Column, Fact, Facts, FittedTable
from tests.fixtures.run_views import text_of


@pytest.fixture
def table() -> FittedTable:
    table = FittedTable(
        Column("zone"),
        Column("name of the zone", short="name", is_text=True, shrink_to=6),
        Column("mean", drop=2),
        Column("last", drop=1),
    )
    table.add("132", "JFK Airport", "1,234.56", "99")
    return table


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (40, ["zone  name of the zone      mean  last", " 132  JFK Airport       1,234.56    99"]),
        (33, ["zone  name             mean  last", " 132  JFK Airport  1,234.56    99"]),
        (30, ["zone  name          mean  last", " 132  JFK Air…  1,234.56    99"]),
        (27, ["zone  name             mean", " 132  JFK Airport  1,234.56"]),
        (20, ["zone  name", " 132  JFK Airport"]),
    ],
)
def test_a_table_gives_way_in_order(table: FittedTable, width: int, lines: list[str]) -> None:
    assert [line.rstrip() for line in text_of(table, width).splitlines()] == lines


def test_facts_fill_lines_and_keep_their_places() -> None:
    short, long = (
        Facts([Fact(text, 9), Fact("second", 8), Fact("third", 5)]) for text in ("1", "1,234,567")
    )
    for facts in (short, long):
        assert facts.height(30) == 1
        assert facts.height(20) == 2
        lines = text_of(facts, 20).splitlines()
        assert [line.find(word) for line, word in zip(lines, ("second", "third"), strict=True)] == [
            11,
            0,
        ]


def test_a_fact_longer_than_the_line_is_shortened() -> None:
    assert text_of(Facts([Fact("redis://a-very-long-name:6379")]), 12).rstrip() == "redis://a-v…"
