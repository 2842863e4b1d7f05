from rushhour.core.zones import FIRST_ZONE, LAST_ZONE, ZONE_COUNT, ZONE_IDS, Zone, zones


def test_there_are_265_zones_in_order() -> None:
    assert [zone.id for zone in zones()] == list(range(1, 266))
    assert (FIRST_ZONE, LAST_ZONE, ZONE_COUNT) == (1, 265, 265)
    assert list(ZONE_IDS) == list(range(1, 266))


def test_zones_have_the_names_of_the_tlc_table() -> None:
    table = zones()
    assert table[0] == Zone(1, "EWR", "Newark Airport")
    assert table[131] == Zone(132, "Queens", "JFK Airport")
    assert table[160] == Zone(161, "Manhattan", "Midtown Center")


def test_unknown_and_outside_are_zones_like_any_other() -> None:
    assert zones()[263] == Zone(264, "Unknown", "N/A")
    assert zones()[264] == Zone(265, "N/A", "Outside of NYC")


def test_every_zone_has_a_name_and_a_borough() -> None:
    assert all(zone.name and zone.borough for zone in zones())
    assert {zone.borough for zone in zones()} >= {
        "Bronx",
        "Brooklyn",
        "Manhattan",
        "Queens",
        "Staten Island",
    }
