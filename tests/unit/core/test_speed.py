import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.errors import UsageError
from rushhour.core.speed import MAX, Speed


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("1", 1.0),
        ("3600", 3600.0),
        ("3600x", 3600.0),
        ("0.5", 0.5),
        ("1h/s", 3600.0),
        ("6h/s", 21_600.0),
        ("30m/s", 1800.0),
        ("90s/s", 90.0),
        ("1d/s", 86_400.0),
        ("0.5h/s", 1800.0),
        (" 1 H / S ", 3600.0),
        ("max", math.inf),
        ("MAX", math.inf),
    ],
)
def test_a_speed_is_parsed(text: str, factor: float) -> None:
    assert Speed.parse(text) == Speed(factor)


NO_SPEEDS = ["", "-1", "fast", "1h", "1h/m", "1w/s", "1e3", "inf", "nan", "1,5", ".5"]


@pytest.mark.parametrize("text", [*NO_SPEEDS, "x", "1h/s 2h/s", "\u0663h/s"])
def test_what_is_not_a_speed_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Speed.parse(text)
    message = str(caught.value)
    assert message.startswith(f"speed '{text}' is not a speed: write max, a factor such as 3600")
    assert "\n" not in message


@pytest.mark.parametrize(
    "text", ["0", "0h/s", "0.0000009", "1000000001", "11575d/s", "9" * 308, "9" * 400]
)
def test_a_speed_that_is_too_slow_or_too_fast_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Speed.parse(text)
    message = str(caught.value)
    assert message.endswith("is out of range: write a factor from 0.000001 to 1000000000, or max")
    assert len(message) < 150


def test_the_slowest_and_the_fastest_speed_are_parsed_back() -> None:
    for text in ("0.000001", "1000000000"):
        speed = Speed.parse(text)
        assert Speed.parse(str(speed)) == speed


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (21_600.0, "6h/s"),
        (1800.0, "30m/s"),
        (90.0, "90s/s"),
        (172_800.0, "2d/s"),
        (90_000.0, "25h/s"),
        (0.5, "0.5s/s"),
        (math.inf, "max"),
    ],
)
def test_a_speed_is_formatted_in_the_largest_whole_unit(factor: float, text: str) -> None:
    assert str(Speed(factor)) == text


@given(st.integers(1, 1_000), st.sampled_from("smhd"))
def test_whole_amounts_are_parsed_back(amount: int, unit: str) -> None:
    speed = Speed.parse(f"{amount}{unit}/s")
    assert Speed.parse(str(speed)) == speed


# Settings pass a speed to the producer as str(Speed).
@pytest.mark.parametrize("text", ["1234567", "0.00001", "3600.123", "1000001s/s"])
def test_any_factor_is_parsed_back(text: str) -> None:
    speed = Speed.parse(text)
    assert Speed.parse(str(speed)) == speed


def test_only_max_is_max() -> None:
    assert MAX.is_max
    assert not Speed.parse("9999999").is_max
