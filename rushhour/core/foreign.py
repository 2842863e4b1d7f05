"""Text that another program has written, as part of a line for the user."""

_LENGTH = 40


def shown(text: str, limit: int = _LENGTH) -> str:
    r"""Return foreign text without control characters, and cut if it is long.

    >>> print(shown("a\n\x1b[2J"), shown("9" * 100))
    a\n\x1b[2J 999999999999999999999999999999999999999...
    """
    text = text[: limit + 1]
    printable = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return printable if len(printable) <= limit else f"{printable[: limit - 1]}..."
