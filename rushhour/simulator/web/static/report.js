// @ts-check
/** The report of a finished run: the charts of the monitoring page and the map, from figures inside the file. */

import { UNKNOWN, longTime, number, percent, signed } from "./format.js";
import { drawLegend } from "./legend.js";
import { createMap } from "./map.js";
import { fillFacts, fillTable, mountMonitoring } from "./monitoring_view.js";
import { stepOf } from "./scales.js";

/** @typedef {number | null} Num */
/** @typedef {{name: string, pairs: number, mae: Num, rmse: Num, wape: Num, bias: Num, deviance: Num, skill: Num, coverage: Num, wis: Num}} Score */
/**
 * @typedef {object} Figures
 * @property {Record<string, import("./monitoring_view.js").Scores>} windows
 * @property {Record<"rides" | "mae" | "bias", Num[]>} zones over the whole run, one value per zone
 * @property {{first_ts: number, last_ts: number, zones: number, pairs: number, served: string, by_model: Score[]}} scores
 * @property {[string, string][]} how
 * @property {import("./map.js").Atlas} atlas
 */

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);
const figures = /** @type {Figures} */ (JSON.parse(byId("figures").textContent));

const HOUR_MS = 3_600_000;
/** @type {{field: "rides" | "mae" | "bias", label: string, unit: string, hint: string, scale: string, bounds: number[]}[]} */
const MEASURES = [
  { field: "rides", label: "rides", unit: "rides per hour, mean of the run", hint: "each step about doubles",
    scale: "sequential", bounds: [1, 2, 5, 10, 20, 50, 100, 200] },
  { field: "mae", label: "absolute error", unit: "mean absolute error, rides per hour", hint: "",
    scale: "sequential", bounds: [0.2, 0.5, 1, 2, 5, 10, 20, 50] },
  { field: "bias", label: "mean error", unit: "mean of predicted − actual, rides per hour",
    hint: "blue: more rides than predicted", scale: "diverging", bounds: [-5, -2, -0.5, -0.1, 0.1, 0.5, 2, 5] },
];

function showScores() {
  const { scores } = figures;
  byId("scores-span").textContent = `${longTime(scores.first_ts)} to ${longTime(scores.last_ts + HOUR_MS)}, `
    + `${number(scores.zones)} zones with rides, ${number(scores.pairs)} pairs of a prediction and rides`;
  fillTable(
    byId("scores"),
    [["model", false], ["MAE", true], ["WAPE", true], ["skill", true], ["RMSE", true], ["bias", true],
      ["deviance", true], ["coverage", true], ["WIS", true]],
    scores.by_model.map((each) => ({
      cells: [each.name, number(each.mae, 3), percent(each.wape), number(each.skill, 3), number(each.rmse, 3),
        signed(each.bias, 3), number(each.deviance, 3), ...(each.name === scores.served
          ? [percent(each.coverage), number(each.wis, 3)] : [UNKNOWN, UNKNOWN])],
      className: each.name === scores.served ? "served" : "",
    })),
    "no hour is scored",
  );
  fillFacts(byId("how"), figures.how);
}

function showWindows() {
  const view = mountMonitoring();
  /** @type {NodeListOf<HTMLButtonElement>} */
  const buttons = document.querySelectorAll("[data-window]");
  /** @param {string} chosen */
  const choose = (chosen) => {
    for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.window === chosen));
    view.show(figures.windows[chosen]);
  };
  for (const each of buttons) each.addEventListener("click", () => choose(each.dataset.window ?? "all"));
  choose("all");
}

function showMap() {
  let measure = MEASURES[1];
  /** @param {import("./map.js").Zone} zone */
  const value = (zone, field = measure.field) => figures.zones[field][zone.id - 1] ?? null;
  /** @param {import("./map.js").Zone} zone */
  const tell = (zone) => {
    map.mark(zone.id);
    const place = [zone.name, zone.borough].filter(Boolean).join(", ");
    byId("map-zone").textContent = `${place} (${zone.id}): ${number(value(zone, "rides"), 2)} rides/h, `
      + `absolute error ${number(value(zone, "mae"), 2)}, mean error ${signed(value(zone, "bias"), 2)}`;
  };
  const map = createMap(
    { city: byId("map-city"), manhattan: byId("map-manhattan"), zoomButtons: byId("map-zoom") },
    figures.atlas,
    { onPoint: tell, onLeave: () => map.mark(null), onPick: tell },
  );
  const buttons = MEASURES.map((each) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = each.label;
    button.addEventListener("click", () => choose(each));
    return button;
  });
  /** @param {typeof measure} chosen */
  const choose = (chosen) => {
    measure = chosen;
    buttons.forEach((each, index) => each.setAttribute("aria-pressed", String(MEASURES[index] === chosen)));
    byId("maps").dataset.scale = measure.scale;
    drawLegend(byId("map-legend"), /** @type {any} */ (measure));
    map.paint((zone) => stepOf(value(zone), measure.bounds));
  };
  byId("measures").append(...buttons);
  choose(measure);
}

showScores();
showWindows();
showMap();
