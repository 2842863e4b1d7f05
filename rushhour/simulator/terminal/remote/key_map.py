"""What the keys of the live view mean."""

from rushhour.core.clock import ClockStatus, Command
from rushhour.core.speed import MAX, Speed

FASTER, SLOWER, PAUSE, STEP, QUIT = "+", "-", " ", "s", "q"
_SAME = {"=": FASTER, "_": SLOWER}  # the same keys, with or without Shift

SPEEDS = (
    *map(Speed.parse, ("1m/s", "5m/s", "15m/s", "30m/s", "1h/s", "2h/s", "6h/s", "12h/s", "1d/s")),
    MAX,
)


def key_of(character: str) -> str:
    """Return the key that stands for a character.

    >>> key_of("="), key_of("S"), key_of(" ")
    ('+', 's', ' ')
    """
    return _SAME.get(character, character.lower())


def key_help(*, paused: bool) -> tuple[tuple[str, str], ...]:
    """Return each key, and what it does now."""
    return (
        ("space", "resume" if paused else "pause"),
        ("+ -", "speed"),
        ("s", "step 1h"),
        ("q", "quit"),
    )


def command_of(key: str, *, paused: bool, speed: Speed) -> Command | None:
    """Return the command of a key, given the state of the clock; None if there is none.

    >>> command_of("+", paused=False, speed=Speed.parse("6h/s"))
    Command(name='speed', value='12h/s')
    >>> command_of("+", paused=False, speed=MAX) is None
    True
    """
    if key == PAUSE:
        return Command("resume" if paused else "pause")
    if key == STEP:
        return Command("step", "1h")
    if key in {FASTER, SLOWER}:
        other = faster(speed) if key == FASTER else slower(speed)
        return None if other is None else Command("speed", str(other))
    return None


def faster(speed: Speed) -> Speed | None:
    """Return the next higher of the speeds; None above the highest."""
    return next((other for other in SPEEDS if other.factor > speed.factor), None)


def slower(speed: Speed) -> Speed | None:
    """Return the next lower of the speeds; None below the lowest."""
    return next((other for other in reversed(SPEEDS) if other.factor < speed.factor), None)


def is_paused(clock: ClockStatus | None) -> bool:
    """Whether the space bar resumes the clock."""
    return clock is not None and clock.state == "paused"
