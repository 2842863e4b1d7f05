"""The generated parts of docs/reference.md are what the code generates."""

from tools.write_reference import REFERENCE, render


def test_the_reference_is_current() -> None:
    text = REFERENCE.read_text("utf-8")
    assert text == render(text), "renew it with: python tools/write_reference.py"
