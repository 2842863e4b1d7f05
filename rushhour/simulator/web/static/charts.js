// @ts-check
/**
 * Charts: lines over time with a band, and bars. The only module that knows the chart library, which
 * is dygraphs. No text of the data reaches it: names and values are written here, as text.
 *
 * @typedef {(number | null)[]} Values
 *
 * @typedef {object} Series
 * @property {string} name
 * @property {string} color a property of base.css: "--rides" or "var(--rides)"
 * @property {Values} values one per instant of `x`
 * @property {number[]} [dash] lengths of strokes and gaps, in pixels
 * @property {number} [width] of the line, in pixels
 *
 * @typedef {object} SeriesData
 * @property {string} title what one sees; it names the chart for screen readers too
 * @property {string} unit
 * @property {boolean} [caption] whether the title is shown: not where it stands above already
 * @property {number} [decimals] of the values that are shown
 * @property {Series[]} series
 * @property {{lower: Values, upper: Values, name?: string} | null} [band]
 * @property {number[]} x epoch ms, ascending
 *
 * @typedef {object} Bar
 * @property {string} label
 * @property {number | null} value
 * @property {string} [note] shown behind the value
 *
 * @typedef {object} BarsData
 * @property {string} title
 * @property {string} unit
 * @property {boolean} [caption] whether the title is shown
 * @property {Bar[]} items
 * @property {(value: number | null) => string} [format]
 * @property {boolean} [upright] columns side by side instead of rows
 * @property {number} [max] length of the scale; else the largest value
 * @property {{value: number, label: string} | null} [reference] a line to compare with
 */

import { longTime, number } from "./format.js";

const LIBRARY = "dygraphs.js";
const STYLE = `
.chart { margin: 0; min-width: 0; }
.chart figcaption { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 14px; font-size: 0.85rem; }
.chart figcaption:empty { display: none; }
.chart-title { font-weight: 600; }
.chart-unit, .chart-when { color: var(--ink-2); }
.chart-when { margin-left: auto; font-variant-numeric: tabular-nums; }
.chart-legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 4px 0; padding: 0; list-style: none;
  font-size: 0.85rem; }
.chart-legend li { display: flex; align-items: center; gap: 6px; }
.chart-legend b { font-weight: 600; font-variant-numeric: tabular-nums; min-width: 4.2em; }
.chart-swatch { flex: none; width: 26px; height: 10px; }
.chart-plot { width: 100%; height: var(--chart-height, 240px); position: relative; }
.chart-plot .dygraph-axis-label { color: var(--ink-2); font-size: 12px; line-height: 1.2; }
.bars { margin: 6px 0 0; padding: 0; list-style: none; }
.bars-rows { display: grid; grid-template-columns: fit-content(45%) 1fr max-content; gap: 5px 10px;
  font-size: 0.87rem; }
.bars-rows li { display: grid; grid-column: 1 / -1; grid-template-columns: subgrid; align-items: center; }
.bars-value { text-align: right; font-variant-numeric: tabular-nums; }
.bars-value small { color: var(--ink-2); font-size: inherit; }
.bars-track { position: relative; height: 14px; background: var(--paper); }
.bars-fill { position: absolute; inset: 0 auto 0 0; background: var(--prediction); }
.bars-reference { position: absolute; top: -3px; bottom: -3px; width: 2px; margin-left: -1px;
  background: var(--ink); }
.bars-columns { display: flex; align-items: flex-end; gap: 2px; height: var(--chart-height, 180px); }
.bars-columns li { flex: 1; min-width: 0; display: flex; flex-direction: column; justify-content: flex-end;
  height: 100%; text-align: center; font-size: 12px; color: var(--ink-2); }
.bars-column { background: var(--prediction); min-height: 1px; }
.bars-columns li:hover .bars-column { background: var(--ink); }
.bars-label { height: 18px; line-height: 18px; overflow: visible; white-space: nowrap; }
`;

/** @type {Promise<any> | null} */
let library = null;
let styled = false;

/** Load the library, once: with the first chart over time. @returns {Promise<any>} */
function load() {
  const scope = /** @type {any} */ (globalThis);
  library ??= scope.Dygraph
    ? Promise.resolve(scope.Dygraph)
    : new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = new URL(LIBRARY, import.meta.url).href;
        script.onload = () => resolve(scope.Dygraph);
        script.onerror = () => {
          library = null; // the next chart tries again
          reject(new Error("the chart library did not load"));
        };
        document.head.append(script);
      });
  return library;
}

function style() {
  if (styled) return;
  styled = true;
  const sheet = document.createElement("style");
  sheet.textContent = STYLE;
  document.head.append(sheet);
}

/**
 * @param {string} name
 * @param {string} [className]
 * @param {string} [text]
 */
function make(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** The name of a property that may be given as "--rides" or "var(--rides)". @param {string} color */
function propertyOf(color) {
  return color.replace(/^var\((.*)\)$/, "$1").trim();
}

/** @param {string} color */
function colorOf(color) {
  return getComputedStyle(document.documentElement).getPropertyValue(propertyOf(color)).trim();
}

/**
 * A short sample of a line or of a band.
 * @param {{color: string, dash?: number[], width?: number}} line
 * @param {boolean} [isBand]
 */
export function swatch({ color, dash, width = 2 }, isBand = false) {
  style();
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 26 10");
  picture.setAttribute("class", "chart-swatch");
  picture.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS(space, isBand ? "rect" : "line");
  /** @type {Record<string, string | number>} */
  const attributes = isBand
    ? { width: 26, height: 10, fill: `var(${propertyOf(color)})` }
    : { x1: 0, x2: 26, y1: 5, y2: 5, stroke: `var(${propertyOf(color)})`, "stroke-width": width };
  if (dash && !isBand) attributes["stroke-dasharray"] = dash.join(" ");
  for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, String(value));
  picture.append(shape);
  return picture;
}

/**
 * Lines over time. The values under the pointer, or at the cursor that the arrow keys move, stand in
 * the legend; else the latest.
 * @param {HTMLElement} element
 * @param {SeriesData & {legend?: boolean}} data
 * @returns {{update: (data: Partial<SeriesData>) => void, destroy: () => void}}
 */
export function timeSeries(element, data) {
  style();
  let shown = { ...data };
  /** @type {any} */
  let graph = null;
  let gone = false;
  /** @type {number | null} */
  let row = null;

  const figure = make("figure", "chart");
  const caption = make("figcaption");
  const when = make("span", "chart-when");
  const legend = make("ul", "chart-legend");
  const plot = make("div", "chart-plot");
  plot.tabIndex = 0;
  plot.setAttribute("role", "img");
  if (data.caption !== false) caption.append(make("span", "chart-title", data.title));
  caption.append(make("span", "chart-unit", data.unit), when);
  figure.append(caption);
  if (data.legend !== false) figure.append(legend);
  figure.append(plot);
  element.replaceChildren(figure);

  /** @type {HTMLElement[]} */
  let figures = [];

  function writeLegend() {
    figures = shown.series.map(() => make("b"));
    const entries = shown.series.map((each, index) => {
      const entry = make("li");
      entry.append(swatch(each), make("span", "", each.name), figures[index]);
      return entry;
    });
    if (shown.band) {
      const entry = make("li");
      entry.append(swatch({ color: "--interval" }, true), make("span", "", shown.band.name ?? "90 % interval"));
      entries.push(entry);
    }
    legend.replaceChildren(...entries);
  }

  function writeValues() {
    const at = row ?? latest(shown);
    const texts = shown.series.map((each) => number(each.values[at], shown.decimals ?? 0));
    texts.forEach((text, index) => {
      if (figures[index].textContent !== text) figures[index].textContent = text;
    });
    when.textContent = at < 0 ? "" : longTime(shown.x[at]);
    const values = shown.series.map((each, index) => `${each.name} ${texts[index]}`).join(", ");
    plot.setAttribute("aria-label", `${shown.title}, ${shown.unit}; ${when.textContent}: ${values}`);
  }

  /** @param {any} Dygraph */
  function draw(Dygraph) {
    if (gone || !shown.x.length) return;
    const options = optionsOf(Dygraph, shown);
    if (graph) {
      graph.updateOptions({ ...options, file: rowsOf(shown) });
      return;
    }
    graph = new Dygraph(plot, rowsOf(shown), {
      ...options,
      interactionModel: {}, // a finger scrolls the page
      legend: "never",
      showLabelsOnHighlight: false,
      labelsUTC: true,
      includeZero: true,
      highlightCircleSize: 3,
      /** @type {(event: unknown, x: number, points: unknown, index: number) => void} */
      highlightCallback(_event, _x, _points, index) {
        row = index;
        writeValues();
      },
      unhighlightCallback: release,
    });
  }

  function release() {
    row = null;
    writeValues();
  }

  function redraw() {
    load().then(draw, (error) => (when.textContent = error.message));
  }

  /** @param {KeyboardEvent} event */
  function move(event) {
    const last = shown.x.length - 1;
    const at = row ?? last;
    /** @type {Record<string, number>} */
    const targets = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last };
    if (!(event.key in targets) || last < 0) return;
    event.preventDefault();
    row = Math.min(last, Math.max(0, targets[event.key]));
    graph?.setSelection(row);
    writeValues();
  }
  plot.addEventListener("keydown", move);
  plot.addEventListener("blur", () => {
    graph?.clearSelection();
    release();
  });

  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", redraw);
  const resized = new ResizeObserver(() => graph?.resize());
  resized.observe(plot);
  writeLegend();
  writeValues();
  redraw();

  return {
    update(change) {
      const before = shown;
      shown = { ...shown, ...change };
      if (looks(before) !== looks(shown)) writeLegend();
      if (row !== null && row >= shown.x.length) row = null;
      writeValues();
      redraw();
    },
    destroy() {
      gone = true;
      scheme.removeEventListener("change", redraw);
      resized.disconnect();
      graph?.destroy();
      element.replaceChildren();
    },
  };
}

/** The last instant with a value, -1 if there is none. @param {SeriesData} data */
function latest({ x, series }) {
  for (let at = x.length - 1; at >= 0; at -= 1) {
    if (series.some((each) => each.values[at] !== null && each.values[at] !== undefined)) return at;
  }
  return x.length - 1;
}

/** What the legend depends on. @param {SeriesData} data */
function looks({ series, band }) {
  return JSON.stringify([series.map(({ name, color, dash }) => [name, color, dash]), band?.name, !band]);
}

/** The rows of the library: an instant, the band, and each series. @param {SeriesData} data */
function rowsOf({ x, series, band }) {
  return x.map((ts, at) => {
    const values = series.map((each) => each.values[at] ?? null);
    if (!band) return [new Date(ts), ...values];
    const [lower, upper] = [band.lower[at] ?? null, band.upper[at] ?? null];
    const interval = lower === null || upper === null ? null : [lower, lower, upper];
    return [new Date(ts), interval, ...values.map((value) => (value === null ? null : [value, value, value]))];
  });
}

/**
 * @param {any} Dygraph
 * @param {SeriesData} data
 */
function optionsOf(Dygraph, { series, band, decimals = 0 }) {
  const names = series.map((_, index) => `s${index}`);
  const ink = colorOf("--ink-2");
  /** @type {Record<string, object>} */
  const looksOf = {};
  series.forEach((each, index) => {
    looksOf[names[index]] = {
      color: colorOf(each.color),
      strokeWidth: each.width ?? 2,
      strokePattern: each.dash ?? null,
    };
  });
  if (band) {
    const color = colorOf("--interval");
    looksOf.band = { color, highlightCircleSize: 0, plotter: (/** @type {any} */ part) => fill(part, color) };
  }
  return {
    labels: ["t", ...(band ? ["band"] : []), ...names],
    customBars: Boolean(band),
    plotter: Dygraph.Plotters.linePlotter,
    series: looksOf,
    gridLineColor: colorOf("--line"),
    gridLineWidth: 1,
    axisLineColor: colorOf("--line"),
    axisLabelColor: ink,
    rightGap: 12,
    axes: {
      x: {
        drawGrid: false,
        pixelsPerLabel: 70,
        axisLabelFormatter: (/** @type {number | Date} */ ts) => tick(new Date(ts)),
      },
      y: {
        axisLabelWidth: 46,
        axisLabelFormatter: (/** @type {number} */ value) => number(value, value >= 20 ? 0 : Math.min(decimals, 1)),
      },
    },
  };
}

/**
 * Fill a band, in pieces where it is not known.
 * @param {any} part of the library: points and where they are drawn
 * @param {string} color
 */
function fill({ points, plotArea, drawingContext }, color) {
  drawingContext.fillStyle = color;
  /** @type {any[]} */
  let piece = [];
  const close = () => {
    if (piece.length > 1) {
      drawingContext.beginPath();
      for (const point of piece) drawingContext.lineTo(point.canvasx, plotArea.y + plotArea.h * point.y_top);
      for (const point of piece.reverse()) {
        drawingContext.lineTo(point.canvasx, plotArea.y + plotArea.h * point.y_bottom);
      }
      drawingContext.fill();
    }
    piece = [];
  };
  for (const point of points) {
    if (Number.isFinite(point.y_top) && Number.isFinite(point.y_bottom) && point.yval !== null) piece.push(point);
    else close();
  }
  close();
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A label of the time axis: the day at midnight, else the hour. @param {Date} date */
function tick(date) {
  const hour = date.getUTCHours();
  if (!hour && !date.getUTCMinutes()) return `${MONTHS[date.getUTCMonth()]} ${date.getUTCDate()}`;
  return `${String(hour).padStart(2, "0")}:${String(date.getUTCMinutes()).padStart(2, "0")}`;
}

/**
 * Bars: rows with a label and a value each, or columns side by side.
 * @param {HTMLElement} element
 * @param {BarsData} data
 * @returns {{update: (data: Partial<BarsData>) => void, destroy: () => void}}
 */
export function bars(element, data) {
  style();
  let shown = { ...data };
  const figure = make("figure", "chart");
  const caption = make("figcaption");
  const when = make("span", "chart-when");
  if (data.caption !== false) caption.append(make("span", "chart-title", data.title));
  caption.append(make("span", "chart-unit", data.unit), when);
  const list = make("ol", `bars ${data.upright ? "bars-columns" : "bars-rows"}`);
  list.setAttribute("aria-label", `${data.title}, ${data.unit}`);
  figure.append(caption, list);
  element.replaceChildren(figure);

  function draw() {
    const format = shown.format ?? ((value) => number(value, 2));
    const values = shown.items.map((item) => item.value ?? 0);
    const max = shown.max ?? Math.max(...values, shown.reference?.value ?? 0, Number.MIN_VALUE);
    list.replaceChildren(
      ...shown.items.map((item, index) => {
        const share = `${Math.min(100, (100 * (item.value ?? 0)) / max)}%`;
        return shown.upright ? column(item, index, share, format) : line(item, share, max, format);
      }),
    );
    const largest = shown.items.reduce((best, item) => ((item.value ?? -1) > (best?.value ?? -1) ? item : best),
      /** @type {Bar | null} */ (null));
    rest = shown.upright && largest ? `highest ${largest.label}: ${format(largest.value)}` : "";
    when.textContent = rest || (shown.reference?.label ?? "");
  }
  let rest = "";

  /**
   * @param {Bar} item
   * @param {number} index
   * @param {string} share
   * @param {(value: number | null) => string} format
   */
  function column(item, index, share, format) {
    const entry = make("li");
    const text = `${item.label}: ${format(item.value)}`;
    entry.setAttribute("aria-label", text);
    entry.addEventListener("pointerenter", () => (when.textContent = text));
    entry.addEventListener("pointerleave", () => (when.textContent = rest));
    const bar = make("div", "bars-column");
    bar.style.height = share;
    const space = make("div", "bars-space");
    space.style.cssText = "flex:1;display:flex;flex-direction:column;justify-content:flex-end;min-height:0";
    space.append(bar);
    entry.append(space, make("span", "bars-label", index % 3 ? "" : item.label.slice(0, 2)));
    return entry;
  }

  /**
   * @param {Bar} item
   * @param {string} share
   * @param {number} max
   * @param {(value: number | null) => string} format
   */
  function line(item, share, max, format) {
    const entry = make("li");
    const track = make("div", "bars-track");
    const bar = make("div", "bars-fill");
    bar.style.width = share;
    track.append(bar);
    if (shown.reference) {
      const mark = make("div", "bars-reference");
      mark.style.left = `${(100 * shown.reference.value) / max}%`;
      track.append(mark);
    }
    const value = make("span", "bars-value", format(item.value));
    if (item.note) value.append(" ", make("small", "", item.note));
    entry.append(make("span", "bars-name", item.label), track, value);
    return entry;
  }

  draw();
  return {
    update(change) {
      shown = { ...shown, ...change };
      draw();
    },
    destroy: () => element.replaceChildren(),
  };
}
