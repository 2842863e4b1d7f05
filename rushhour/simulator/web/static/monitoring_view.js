// @ts-check
/**
 * What the monitoring page shows, given what was read: the page asks the server, the report has it.
 *
 * @typedef {number | null} Num
 * @typedef {{name: string, kind: string, rolling_mae: Num[], mae: Num, skill: Num, pairs: number}} Model
 * @typedef {{zone: number, name: string, borough: string, mae: Num, bias: Num, rides_per_hour: Num}} WorstZone
 * @typedef {{borough: string, zones: number, rides_per_hour: Num, mae: Num, wape: Num}} Borough
 * @typedef {{pickup_ts: number, zone: number, name: string, direction: string, relative_change: Num}} AlertRow
 *
 * @typedef {object} Scores what `/api/monitoring` answers
 * @property {string} run_id
 * @property {string} window
 * @property {number | null} last_ts
 * @property {number} hours
 * @property {number} hours_missing
 * @property {number[]} pickup_ts
 * @property {{pickup_ts: number[], rides: Num[], predicted: Num[]}} city
 * @property {Model[]} models
 * @property {{mae: Num, bias: Num, wape: Num, skill: Num, coverage: Num, nominal_coverage: number} | null} served
 * @property {Num[]} by_hour_of_day
 * @property {Borough[]} by_borough
 * @property {WorstZone[]} worst_zones
 * @property {{band: string, pairs: number, coverage: Num}[]} bands
 * @property {AlertRow[]} alerts
 * @property {Quality} quality
 *
 * @typedef {object} Quality
 * @property {Num} rows_read
 * @property {Num} rides
 * @property {Record<string, Num>} rejected_rows
 * @property {number} late_submissions
 * @property {Record<string, number>} rejected_submissions
 * @property {Num} pairs_due
 * @property {Num} pairs_scored
 * @property {Num} overlap
 * @property {Num} alerts
 */

import { bars, swatch, timeSeries } from "./charts.js";
import { HOUR_MS, UNKNOWN, longTime, number, percent, signed, time } from "./format.js";

const PER_ZONE = "rides per hour and zone";
const REFERENCE = "same_hour_last_week";
const ERROR_DECIMALS = 3;
/** One line style for each model of a kind, in their order; then again from the first. */
const DASHES = [[], [8, 3], [2, 3], [8, 3, 2, 3]];
/** @type {Record<string, string>} */
const COLORS = { served: "--prediction", challenger: "--good", baseline: "--ink-2", submitted: "--bad" };
/** @type {Record<string, string>} */
const KINDS = { served: "served", challenger: "challenger", baseline: "baseline", submitted: "yours" };

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * @param {string} name
 * @param {string} [text]
 * @param {string} [className]
 */
function make(name, text = "", className = "") {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/**
 * Fill a table: a head, and a row of cells for each entry. Numbers are aligned to the right.
 * @param {HTMLElement} table
 * @param {[string, boolean][]} head name of each column, and whether it holds numbers
 * @param {{cells: (string | Node)[], className?: string}[]} rows
 * @param {string} none what is said without rows
 */
export function fillTable(table, head, rows, none) {
  const thead = make("thead");
  const names = make("tr");
  for (const [name, isNumber] of head) {
    const cell = make("th", name, isNumber ? "number" : "");
    cell.setAttribute("scope", "col");
    names.append(cell);
  }
  thead.append(names);
  const body = make("tbody");
  for (const { cells, className } of rows) {
    const row = make("tr", "", className ?? "");
    cells.forEach((cell, index) => {
      const made = make("td", "", head[index][1] ? "number" : "text");
      made.append(cell);
      row.append(made);
    });
    body.append(row);
  }
  if (!rows.length) {
    const cell = make("td", none, "quiet");
    cell.setAttribute("colspan", String(head.length));
    const row = make("tr");
    row.append(cell);
    body.append(row);
  }
  table.replaceChildren(thead, body);
}

/**
 * Fill a list of facts.
 * @param {HTMLElement} list
 * @param {[string, string | Node, string?][]} facts name, value, and the class of the value
 * @param {boolean} [grouped] each in an element of its own
 */
export function fillFacts(list, facts, grouped = false) {
  list.replaceChildren(
    ...facts.flatMap(([name, value, className]) => {
      const dd = make("dd", "", className ?? "");
      dd.append(value);
      const pair = [make("dt", name), dd];
      if (!grouped) return pair;
      const group = make("div");
      group.append(...pair);
      return [group];
    }),
  );
}

/**
 * A figure with its unit.
 * @param {string} text
 * @param {string} unit
 */
function withUnit(text, unit) {
  const whole = document.createDocumentFragment();
  whole.append(text);
  if (text !== UNKNOWN) whole.append(" ", make("small", unit));
  return whole;
}

/**
 * A text that may be cut where there is no room, and that shows whole on hovering.
 * @param {string} text
 * @param {string} place
 */
function titled(text, place) {
  const made = make("span", text);
  made.title = `${text}, ${place}`;
  return made;
}

/** How each model is drawn. @param {Model[]} models */
function lineOf(models) {
  /** @type {Map<string, {color: string, dash?: number[], width: number}>} */
  const lines = new Map();
  /** @type {Record<string, number>} */
  const counts = {};
  for (const { name, kind } of models) {
    const index = (counts[kind] = (counts[kind] ?? -1) + 1);
    const dash = DASHES[index % DASHES.length];
    lines.set(name, { color: COLORS[kind], width: kind === "served" ? 3 : 1.5, dash: dash.length ? dash : undefined });
  }
  return lines;
}

/**
 * Build the charts; they are empty until `show`.
 * @param {string} [topicsPath] where the dead letters are shown; without it, nowhere
 */
export function mountMonitoring(topicsPath = "") {
  const cityLines = (/** @type {Num[]} */ rides, /** @type {Num[]} */ predicted) => [
    { name: "rides", color: "--rides", values: rides, width: 1.5 },
    { name: "prediction", color: "--prediction", values: predicted, width: 2, dash: [6, 2] },
  ];
  const caption = false;
  const city = timeSeries(element("city"), {
    title: "Rides of the whole city, and their prediction", unit: "rides per hour", caption,
    series: cityLines([], []), x: [],
  });
  const mae = timeSeries(element("mae"), {
    title: "Error of each model over the last 24 hours", unit: `mean absolute error, ${PER_ZONE}`, caption,
    decimals: ERROR_DECIMALS, series: [], x: [],
  });
  const error = (/** @type {Num} */ value) => number(value, ERROR_DECIMALS);
  const byHour = bars(element("by-hour"), {
    title: "Error by hour of day", unit: "rides per hour and zone", caption, items: [], upright: true, format: error,
  });
  const byBorough = bars(element("by-borough"), {
    title: "Error by borough", unit: `${PER_ZONE}; and as a share of the rides`, caption, items: [], format: error,
  });
  const bands = bars(element("bands"), {
    title: "Rides within their interval", unit: "by the rides that were predicted", caption, items: [], max: 1,
    format: percent,
  });

  /** @param {Scores} scores */
  function showFacts({ served, quality, models }) {
    const reference = models.some(({ name }) => name === REFERENCE);
    fillFacts(
      element("facts"),
      [
        ["mean absolute error", withUnit(number(served?.mae, ERROR_DECIMALS), "rides/h per zone")],
        ["skill against last week", reference ? percent(served?.skill) : UNKNOWN],
        ["mean of predicted − actual", withUnit(signed(served?.bias, ERROR_DECIMALS), "rides/h")],
        ["within the 90 % interval", percent(served?.coverage)],
        ["error as a share of rides", percent(served?.wape)],
        ["predictions joined with rides", percent(quality.overlap, 2)],
      ],
      true,
    );
  }

  /** @param {Model[]} models */
  function showModels(models) {
    const lines = lineOf(models);
    const ranked = [...models].sort((a, b) => (a.mae ?? Infinity) - (b.mae ?? Infinity));
    fillTable(
      element("models"),
      [["model", false], ["kind", false], ["MAE", true], ["skill", true]],
      ranked.map(({ name, kind, mae: value, skill, pairs }) => {
        const label = make("span", "", "whole");
        const line = lines.get(name);
        if (line) label.append(swatch(line));
        label.append(name);
        if (kind === "submitted") label.title = `over ${number(pairs)} hours and zones`;
        return {
          cells: [label, KINDS[kind], number(value, ERROR_DECIMALS), percent(skill)],
          className: kind,
        };
      }),
      "no model yet",
    );
    return lines;
  }

  function topicsLink() {
    const link = make("a", "on the page Topics: copies of all rejected records");
    link.setAttribute("href", topicsPath);
    return link;
  }

  /** @param {Quality} quality */
  function showQuality(quality) {
    const rows = Object.entries(quality.rejected_rows);
    const rejected = rows.reduce((sum, [, count]) => sum + (count ?? 0), 0);
    const submissions = Object.entries(quality.rejected_submissions);
    const refused = submissions.reduce((sum, [, count]) => sum + count, 0);
    fillFacts(element("quality"), [
      ["overlap", `${number(quality.pairs_scored)} of ${number(quality.pairs_due)} zone-hours have both rides and `
        + "a prediction", quality.overlap === 1 ? "good" : "bad"],
      ["rides counted", number(quality.rides)],
      ["rows of the trip file", quality.rows_read ? number(quality.rows_read) : "none: the trips are synthetic"],
      ["rows rejected", `${number(rejected)}${reasons(rows)}`],
      ["submitted too late", `${number(quality.late_submissions)} predictions`],
      ["submitted, rejected otherwise", `${number(refused)} predictions${reasons(submissions)}`],
      ["alerts", number(quality.alerts)],
      .../** @type {[string, Node][]} */ (topicsPath ? [["dead letters", topicsLink()]] : []),
    ]);
  }

  return {
    /** Show the scores of a window. @param {Scores} scores */
    show(scores) {
      showFacts(scores);
      element("span").textContent = spanText(scores);
      city.update({ x: scores.city.pickup_ts, series: cityLines(scores.city.rides, scores.city.predicted) });
      const lines = showModels(scores.models);
      mae.update({
        x: scores.pickup_ts,
        series: scores.models.map((model) => ({
          name: model.name, values: model.rolling_mae, color: "--ink-2", ...lines.get(model.name),
        })),
      });
      byHour.update({
        items: scores.by_hour_of_day.map((value, hour) => ({ label: `${String(hour).padStart(2, "0")}:00`, value })),
      });
      byBorough.update({
        items: scores.by_borough.map(({ borough, mae: value, wape }) => ({
          label: borough, value, note: percent(wape, 0).padStart(6, "\u2007"),
        })),
      });
      const nominal = scores.served?.nominal_coverage;
      bands.update({
        items: scores.bands.map(({ band, coverage }) => ({ label: `${band} rides/h`, value: coverage })),
        reference: nominal === undefined ? null : { value: nominal, label: `line: ${percent(nominal, 0)}` },
      });
      fillTable(
        element("worst"),
        [["zone", false], ["borough", false], ["MAE", true], ["bias", true], ["rides", true]],
        scores.worst_zones.map((row) => ({
          cells: [titled(`${row.name} (${row.zone})`, row.borough), row.borough, number(row.mae, 2), signed(row.bias, 2),
            number(row.rides_per_hour, 1)],
        })),
        "no hour is scored yet",
      );
      fillTable(
        element("alerts"),
        [["hour", false], ["zone", false], ["change", true]],
        scores.alerts.map((row) => ({
          cells: [make("span", time(row.pickup_ts), "whole"), `${row.name} (${row.zone})`,
            `${signed(row.relative_change === null ? null : 100 * row.relative_change, 0)} %`],
        })),
        "no alert in these hours",
      );
      showQuality(scores.quality);
    },

    /** Show the city's rides alone, before all else is known. @param {Scores["city"]} known */
    showCity({ pickup_ts, rides, predicted }) {
      city.update({ x: pickup_ts, series: cityLines(rides, predicted) });
    },

    /** @param {import("./feed.js").Gate} gate */
    showGate(gate) {
      fillFacts(element("gates"), gateFacts(gate));
    },
  };
}

/** Which hours are shown. @param {Scores} scores */
function spanText({ pickup_ts, hours, hours_missing }) {
  if (!hours) return "no hour is closed yet";
  const first = longTime(pickup_ts[0]);
  const end = longTime(pickup_ts[hours - 1] + HOUR_MS);
  const missing = hours_missing ? `; ${number(hours_missing)} hours are still being read` : "";
  return `${number(hours)} hours, ${first} to ${end}, New York time${missing}`;
}

/** Counts by reason, in brackets. @param {[string, Num][]} counts */
function reasons(counts) {
  const known = counts.filter(([, count]) => count);
  if (!known.length) return "";
  return ` (${known.map(([reason, count]) => `${number(count)} ${reason.replaceAll("_", " ")}`).join(", ")})`;
}

/**
 * @param {import("./feed.js").Gate} gate
 * @returns {[string, string, string?][]}
 */
function gateFacts(gate) {
  if (!gate.gates.length) return [["gates", "none: the clock goes on as soon as an hour is closed"]];
  /** @type {[string, string, string?][]} */
  const facts = gate.gates.map((name) => {
    const at = gate.acknowledged[name];
    return [name, at === undefined ? "nothing acknowledged yet" : `acknowledged ${time(at)}`];
  });
  const awaited = gate.awaited.length ? `${gate.awaited.join(", ")}, for the hour ${time(gate.hour_ts)}` : "nobody";
  facts.push(["awaited now", awaited, gate.awaited.length ? "bad" : "good"]);
  facts.push(["acknowledgements refused", gate.refused ? `${number(gate.refused)}; the last: ${gate.refusal}` : "0"]);
  if (gate.on_hour) {
    const { state, hour_ts, reason } = gate.on_hour;
    facts.push(["command of --on-hour", `${state} for ${time(hour_ts)}${reason ? `: ${reason}` : ""}`,
      state === "failed" ? "bad" : ""]);
  }
  return facts;
}
