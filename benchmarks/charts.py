"""What chart libraries weigh in a browser: bytes, the time until charts are drawn, and an update.

    pip download --no-deps --dest WHEELS dygraphs bokeh plotly
    python -m benchmarks.charts WHEELS

Serves a page with two charts of 700 hours, one with a band and one with nine lines, to the system's
Chromium, and adds 40 hours one by one. CPU is that of all processes of the browser (Linux).
"""

import argparse
import gzip
import os
import statistics
import threading
import time
import zipfile
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.fixtures.chromium import find_chromium

_UPDATES = 40
_DATA = """
const N = 744, T0 = 1727740800000, H = 3600000, S = 9;
let seed = 7;
const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
const city = [], mae = [];
for (let i = 0; i < N; i++) {
  const v = 5000 + 3000 * Math.sin(i / 24 * 6.283) + 500 * random();
  city.push([T0 + i * H, v, v + 300 * random() - 150, v - 700, v + 700]);
  mae.push([T0 + i * H, ...Array.from({length: S}, () => 2 + random())]);
}
const column = (rows, j, n) => rows.slice(0, n).map((row) => row[j]);
"""
_DYGRAPHS = """
const rides = (n) => city.slice(0, n).map(
  (r) => [new Date(r[0]), [r[3], r[2], r[4]], [r[1], r[1], r[1]]]);
const errors = (n) => mae.slice(0, n).map((r) => [new Date(r[0]), ...r.slice(1)]);
const options = {legend: "never", labelsUTC: true};
const a = new Dygraph("a", rides(700), {...options, labels: ["t", "p", "r"], customBars: true});
const b = new Dygraph("b", errors(700), {...options, labels: ["t", ..."123456789"]});
window.add = (n) => { a.updateOptions({file: rides(n)}); b.updateOptions({file: errors(n)}); };
const ready = Promise.resolve();
"""
_BOKEH = """
const rides = (n) => ({x: column(city, 0, n), l: column(city, 3, n), u: column(city, 4, n),
  r: column(city, 1, n), p: column(city, 2, n)});
const errors = (n) => Object.fromEntries([["x", column(mae, 0, n)],
  ...Array.from({length: S}, (_, k) => ["s" + k, column(mae, k + 1, n)])]);
const sources = [rides, errors].map((data) => new Bokeh.ColumnDataSource({data: data(700)}));
const [a, b] = sources.map(() => Bokeh.Plotting.figure(
  {x_axis_type: "datetime", height: 260, sizing_mode: "stretch_width", tools: "hover"}));
const [source, other] = sources;
a.varea({x: {field: "x"}, y1: {field: "l"}, y2: {field: "u"}, source, fill_alpha: 0.3});
for (const name of ["r", "p"]) a.line({field: "x"}, {field: name}, {source});
for (let k = 0; k < S; k++) b.line({field: "x"}, {field: "s" + k}, {source: other});
window.add = (n) => { source.data = rides(n); other.data = errors(n); };
const ready = Promise.all([Bokeh.Plotting.show(a, "#a"), Bokeh.Plotting.show(b, "#b")]);
"""
_PLOTLY = """
const x = (n) => city.slice(0, n).map((row) => new Date(row[0]));
const rides = (n) => [{x: x(n), y: column(city, 3, n), line: {width: 0}},
  {x: x(n), y: column(city, 4, n), fill: "tonexty", line: {width: 0}},
  {x: x(n), y: column(city, 1, n)}, {x: x(n), y: column(city, 2, n)}];
const errors = (n) => Array.from({length: S}, (_, k) => ({x: x(n), y: column(mae, k + 1, n)}));
const layout = {margin: {l: 40, r: 10, t: 10, b: 30}, showlegend: false};
const draw = (how, n) =>
  Promise.all([how("a", rides(n), layout), how("b", errors(n), layout)]);
window.add = (n) => draw(Plotly.react, n);
const ready = draw(Plotly.newPlot, 700);
"""


@dataclass(frozen=True)
class Library:
    """Scripts of a wheel, and how two charts are drawn with them."""

    name: str
    scripts: tuple[str, ...]
    code: str


LIBRARIES = (
    Library("dygraphs", ("dygraphs/assets/dygraph-combined.js",), _DYGRAPHS),
    Library(
        "bokeh",
        ("bokeh/server/static/js/bokeh.min.js", "bokeh/server/static/js/bokeh-api.min.js"),
        _BOKEH,
    ),
    Library("plotly", ("plotly/package_data/plotly.min.js",), _PLOTLY),
)


def page(library: Library) -> str:
    """Return a page that says when its charts are drawn."""
    scripts = "".join(f'<script defer src="/{i}.js"></script>' for i in range(len(library.scripts)))
    return f"""<!doctype html><meta charset="utf-8"><title>{library.name}</title>
<style>#a, #b {{ height: 260px }}</style><h1>Charts</h1>
<div id="a"></div><div id="b"></div>{scripts}
<script>{_DATA}
document.addEventListener("DOMContentLoaded", async () => {{ {library.code}
await ready;
const frame = () => new Promise(requestAnimationFrame);
await frame();
await frame();
window.drawn = performance.now(); }});
</script>"""


def serve(files: dict[str, tuple[str, bytes]]) -> ThreadingHTTPServer:
    """Serve compressed files on a free port: path -> type and content."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            kind, content = files.get(self.path, ("text/plain", b""))
            self.send_response(200 if content else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            if content:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def cpu_of_children() -> float:
    """Return the CPU seconds of all processes below this one."""
    children: dict[int, list[tuple[int, int]]] = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit():
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(
                    (int(entry.name), int(fields[11]) + int(fields[12]))
                )
        except OSError:  # it has ended
            continue
    ticks, parents = 0, [os.getpid()]
    while parents:
        for pid, used in children.get(parents.pop(), []):
            ticks += used
            parents.append(pid)
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(library: Library, wheels: Path, repeats: int) -> str:
    """Return a row of the table."""
    (wheel,) = wheels.glob(f"{library.name}-*.whl")
    files = {"/": ("text/html", gzip.compress(page(library).encode(), 9))}
    with zipfile.ZipFile(wheel) as archive:
        for i, script in enumerate(library.scripts):
            files[f"/{i}.js"] = ("text/javascript", gzip.compress(archive.read(script), 9))
    size = sum(len(content) for path, (_, content) in files.items() if path != "/")
    server = serve(files)
    rows = []
    for _ in range(repeats):
        with sync_playwright() as playwright:
            before = cpu_of_children()
            browser = playwright.chromium.launch(
                executable_path=find_chromium(), args=["--no-sandbox"]
            )
            opened = browser.new_page(viewport={"width": 1440, "height": 900})
            opened.goto(f"http://127.0.0.1:{server.server_port}/")
            drawn = opened.wait_for_function("window.drawn").json_value()
            paint = opened.evaluate(
                "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            )
            time.sleep(1.0)
            loaded = cpu_of_children()
            opened.evaluate(
                f"""async () => {{ for (let n = 701; n <= 700 + {_UPDATES}; n++) {{
                    await window.add(n);
                    await new Promise((done) => setTimeout(done, 200)); }} }}"""
            )
            updates = cpu_of_children() - loaded
            browser.close()
        rows.append((paint, drawn, loaded - before, 1000 * updates / _UPDATES))
    paint, drawn, load, update = map(statistics.median, zip(*rows, strict=True))
    return (
        f"{wheel.name.split('-')[0]:10} {size / 1000:7.0f} KB {paint:6.0f} ms {drawn:6.0f} ms "
        f"{load:6.1f} s {update:6.0f} ms"
    )


def main() -> None:
    """Measure, and print a row for each library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheels", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print("library    compressed     paint     drawn  CPU load    update")
    for library in LIBRARIES:
        print(measure(library, given.wheels, given.repeats), flush=True)


if __name__ == "__main__":
    main()
