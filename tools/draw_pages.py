"""Draw docs/demand.png and docs/monitoring.png: the pages of a run, in the system's Chromium.

    python tools/draw_pages.py [URL] [PAGE ...]

Start `rushhour up` first, and let some days pass; or `rushhour web`, for a run that is saved.
"""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.fixtures.chromium import find_chromium

_DOCS = Path(__file__).parents[1] / "docs"
_PAGES = {"demand": ("/", 860), "monitoring": ("/monitoring", 1180)}
_WIDTH = 1280
_SETTLE_MS = 4_000
_MAX_BYTES = 200_000
_COLOURS = 96


def _save(picture: bytes, file: Path) -> None:
    """Save a picture with few colours, which is enough for pages and half as large."""
    with Image.open(BytesIO(picture)) as image:
        image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


def main(url: str = "http://127.0.0.1:8650", *names: str) -> None:
    """Draw pages at an address, all if none is named."""
    program = find_chromium()
    if program is None:
        sys.exit("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name in names or _PAGES:
            path, height = _PAGES[name]
            page = browser.new_page(
                viewport={"width": _WIDTH, "height": height}, color_scheme="light"
            )
            page.goto(url + path)
            expect(page.locator("#clock-hours")).to_contain_text("of", timeout=60_000)
            page.wait_for_timeout(_SETTLE_MS)
            file = _DOCS / f"{name}.png"
            _save(page.screenshot(), file)
            if file.stat().st_size > _MAX_BYTES:
                sys.exit(f"{file} has {file.stat().st_size:,} bytes: over {_MAX_BYTES:,}")
        browser.close()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main(*sys.argv[1:])
