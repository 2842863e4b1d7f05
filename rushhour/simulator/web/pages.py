"""The pages: one shell with header, navigation and the controls of the run, and what each holds."""

from dataclasses import dataclass
from html import escape

from rushhour.simulator.web.assets import STATIC, Asset
from rushhour.simulator.web.guard import Access

_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Parameters
    ----------
    path
        Where it is served.
    title
        Its name in the navigation.
    name
        Its files in `static`: `NAME.html` is what stands in the shell, `NAME.js` the module that
        brings it to life, `NAME.css` its own styles.
    modules
        Further modules and scripts that the browser should fetch at once.
    """

    path: str
    title: str
    name: str
    modules: tuple[str, ...] = ()


_DEMAND_MODULES = (
    "busiest.js",
    "city_figures.js",
    "legend.js",
    "map.js",
    "scales.js",
    "time_slider.js",
    "zone_figures.js",
    "zone_panel.js",
    "zone_search.js",
    "zone_tip.js",
    "zoom.js",
)
PAGES = (
    Page("/", "Demand", "demand", _DEMAND_MODULES),
    Page("/monitoring", "Monitoring", "monitoring", ("monitoring_view.js", "charts.js")),
    Page("/topics", "Topics", "topics"),
)
_SHARED = ("shell.js", "remote.js", "feed.js", "format.js")


def render(page: Page, access: Access) -> Asset:
    """Return a page as the server sends it: the same for every run.

    `access` is what a command needs.
    """
    shell = (STATIC / "shell.html").read_text("utf-8")
    parts = {
        "title": escape(page.title),
        "access": access,
        "navigation": "\n".join(_link(each, page) for each in PAGES),
        "name": page.name,
        "modules": "\n".join(
            f'<link rel="modulepreload" href="/static/{name}">'
            for name in (*_SHARED, *page.modules)
            if (STATIC / name).exists()
        ),
        "main": (STATIC / f"{page.name}.html").read_text("utf-8"),
    }
    for name, text in parts.items():
        shell = shell.replace(f"{{{{{name}}}}}", text)
    return Asset.of(shell.encode(), _HTML)


def _link(page: Page, current: Page) -> str:
    here = ' aria-current="page"' if page is current else ""
    return f'<a href="{page.path}"{here}>{escape(page.title)}</a>'
