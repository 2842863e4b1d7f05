"""Draw docs/demand.png and docs/monitoring.png: the pages of a run, in the system's Chromium.

    python tools/draw_pages.py [URL]

Start `rushhour up` first, and let some days pass; or `rushhour web`, for a run that is saved.
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.fixtures.chromium import find_chromium

_DOCS = Path(__file__).parents[1] / "docs"
_PAGES = {"demand": ("/", 860), "monitoring": ("/monitoring", 1180)}
_WIDTH = 1280
_SETTLE_MS = 4_000
_MAX_BYTES = 200_000


def main(url: str = "http://127.0.0.1:8650") -> None:
    """Draw the pages at an address."""
    program = find_chromium()
    if program is None:
        sys.exit("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, (path, height) in _PAGES.items():
            page = browser.new_page(
                viewport={"width": _WIDTH, "height": height}, color_scheme="light"
            )
            page.goto(url + path)
            page.wait_for_timeout(_SETTLE_MS)
            file = _DOCS / f"{name}.png"
            page.screenshot(path=file)
            if file.stat().st_size > _MAX_BYTES:
                sys.exit(f"{file} has {file.stat().st_size:,} bytes: over {_MAX_BYTES:,}")
        browser.close()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main(*sys.argv[1:])
