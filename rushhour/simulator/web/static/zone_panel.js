// @ts-check
/** The panel of one zone: its figures, seven days of rides, prediction and errors, its alerts. */

import { hourSpan, percent } from "./format.js";
import { figuresOf, placeOf } from "./zone_figures.js";

/** @typedef {import("./map.js").Zone} Zone */
/** @typedef {import("./feed.js").Hour} Hour */

/** @typedef {import("./feed.js").Alert} Alert */

/**
 * @typedef {object} History
 * @property {number[]} pickup_ts
 * @property {(number | null)[]} rides
 * @property {(number | null)[]} predicted
 * @property {(number | null)[]} lower
 * @property {(number | null)[]} upper
 * @property {(number | null)[]} error
 * @property {Alert[]} alerts
 * @property {Fan} ahead  empty if the run forecasts the next hour only
 */

/**
 * What was forecast after the last hour, the next hour first.
 * @typedef {object} Fan
 * @property {number[]} pickup_ts
 * @property {(number | null)[]} predicted
 * @property {(number | null)[]} lower
 * @property {(number | null)[]} upper
 */

const HOURS = 168;
const HOURS_BEFORE = 12; // of the fan
/** At full speed hours close faster than a chart of seven days is worth drawing. */
const REFRESH_MS = 1000;

/**
 * @param {HTMLElement} root  holds elements of the classes that are asked for below
 * @param {() => void} onClose
 */
export function createZonePanel(root, onClose) {
  /** @param {string} selector @returns {HTMLElement} */
  const part = (selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
  /** @type {Zone | null} */
  let zone = null;
  /** @type {Element | null} */
  let opener = null;
  /** @type {{update: (data: object) => void, destroy: () => void}[]} */
  let charts = [];
  /** The last hour to show; null: the newest. @type {number | null} */
  let until = null;
  let busy = false;
  let stale = false;
  let hurry = () => {};

  async function load() {
    if (!zone) return;
    const [asked, askedUntil] = [zone, until];
    const query = new URLSearchParams({ hours: String(HOURS) });
    if (until !== null) query.set("until", String(until));
    const response = await fetch(`/api/zones/${asked.id}?${query}`).catch(() => null);
    if (!response?.ok) return;
    const history = /** @type {History} */ (await response.json());
    if (zone !== asked || until !== askedUntil) return;
    drawAlerts(history.alerts);
    // The library of the charts is larger than the page: it is loaded when a zone is first opened.
    const { timeSeries } = await import("./charts.js");
    if (zone === asked && until === askedUntil) drawCharts(history, timeSeries);
  }

  /** Load now, or when the last load is over and was REFRESH_MS ago. */
  async function refresh() {
    stale = true;
    if (busy) return;
    busy = true;
    while (stale && zone) {
      stale = false;
      await load();
      await new Promise((resolve) => {
        hurry = () => resolve(null);
        setTimeout(hurry, REFRESH_MS);
      });
    }
    busy = false;
  }

  /** @param {History} history @param {typeof import("./charts.js").timeSeries} timeSeries */
  function drawCharts(history, timeSeries) {
    const data = [ridesOf(history), errorsOf(history)];
    const places = [".rides-chart", ".error-chart"];
    if (history.ahead.pickup_ts.length > 0) {
      data.push(aheadOf(history));
      places.push(".ahead-chart");
    }
    part(".ahead-chart").hidden = history.ahead.pickup_ts.length === 0;
    data.forEach((each, index) => {
      if (index < charts.length) charts[index].update(each);
      else charts.push(timeSeries(part(places[index]), each));
    });
  }

  /** @param {Alert[]} alerts */
  function drawAlerts(alerts) {
    const items = alerts.map((alert) => {
      const item = document.createElement("li");
      const time = document.createElement("time");
      time.textContent = hourSpan(alert.pickup_ts);
      item.append(time, ` ${textOf(alert)}`);
      return item;
    });
    part(".alerts").replaceChildren(...items.reverse());
    part(".no-alerts").hidden = items.length > 0;
  }

  function close() {
    if (!zone) return;
    zone = null;
    root.hidden = true;
    charts.forEach((chart) => chart.destroy());
    charts = [];
    if (opener instanceof HTMLElement || opener instanceof SVGElement) opener.focus();
    onClose();
  }

  part(".close").addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) close();
  });

  return {
    close,
    /** @param {Zone} picked @param {Hour | null} hour @param {number | null} lastHour */
    open(picked, hour, lastHour) {
      if (!zone) opener = document.activeElement;
      zone = picked;
      root.hidden = false;
      part("h2").textContent = picked.name;
      part(".place").textContent = placeOf(picked);
      part(".close").focus();
      this.show(hour, lastHour);
      hurry();
    },
    /**
     * The figures of an hour, and the history that ends with `lastHour`; null: with the newest hour.
     * @param {Hour | null} hour
     * @param {number | null} lastHour
     */
    show(hour, lastHour) {
      if (!zone) return;
      until = lastHour;
      part(".hour").textContent = hourSpan(hour?.pickup_ts);
      part("dl").replaceChildren(...figuresOf(zone, hour));
      refresh();
    },
  };
}

/** @param {History} history */
function ridesOf({ pickup_ts, rides, predicted, lower, upper }) {
  return {
    title: "Rides and prediction, seven days",
    unit: "rides per hour",
    x: pickup_ts,
    series: [
      { name: "Rides", color: "var(--rides)", values: rides },
      { name: "Prediction", color: "var(--prediction)", values: predicted },
    ],
    band: { lower, upper },
  };
}

/** The last hours, and the fan of the hours after them. @param {History} history */
function aheadOf({ pickup_ts, rides, ahead }) {
  const past = pickup_ts.slice(-1 - HOURS_BEFORE, -1); // the last one is predicted
  const none = past.map(() => null);
  return {
    title: "Hours ahead",
    unit: "rides per hour",
    x: [...past, ...ahead.pickup_ts],
    series: [
      {
        name: "Rides",
        color: "var(--rides)",
        values: [...rides.slice(-1 - HOURS_BEFORE, -1), ...ahead.pickup_ts.map(() => null)],
      },
      { name: "Prediction", color: "var(--prediction)", values: [...none, ...ahead.predicted] },
    ],
    band: { lower: [...none, ...ahead.lower], upper: [...none, ...ahead.upper] },
  };
}

/** @param {History} history */
function errorsOf({ pickup_ts, error }) {
  return {
    title: "Error, seven days",
    unit: "predicted minus actual rides",
    x: pickup_ts,
    series: [{ name: "Error", color: "var(--accent)", values: error }],
  };
}

/** @param {Alert} alert */
function textOf({ direction, relative_change }) {
  return `rides of six hours ${percent(Math.abs(relative_change), 0)} ${direction} their predictions`;
}
