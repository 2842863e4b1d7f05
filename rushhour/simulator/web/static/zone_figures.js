// @ts-check
/** What is known of a zone at one hour, as a list of terms and figures. */

import { number, signed } from "./format.js";

/** @typedef {import("./map.js").Zone} Zone */

/** @typedef {import("./feed.js").Hour} Hour */
/** @typedef {keyof import("./feed.js").Zones} Field */

/**
 * @param {Hour | null} hour
 * @param {Field} field
 * @param {Zone} zone
 * @returns {number | null}
 */
export function figureOf(hour, field, zone) {
  return hour?.zones[field]?.[zone.id - 1] ?? null;
}

/** Where a zone is: its borough, if it has one, and its number. @param {Zone} zone */
export function placeOf({ id, name, borough }) {
  return [borough === name ? "" : borough, `zone ${id}`].filter(Boolean).join(" · ");
}

/** @param {number | null} lower @param {number | null} upper */
function interval(lower, upper) {
  return lower === null || upper === null ? "" : `interval ${number(lower)} to ${number(upper)}`;
}

/**
 * The terms and figures of a zone, as children of a `dl`.
 * @param {Zone} zone
 * @param {Hour | null} hour
 */
export function figuresOf(zone, hour) {
  /** @param {Field} field */
  const of = (field) => figureOf(hour, field, zone);
  const rows = [
    ["Rides", number(of("rides")), ""],
    ["Predicted", number(of("predicted"), 1), interval(of("lower"), of("upper"))],
    ["Error", signed(of("error")), ""],
    [
      "Next hour",
      number(of("next_predicted"), 1),
      interval(of("next_lower"), of("next_upper")),
    ],
    ["MAE 24 h", number(of("mae_24h"), 1), ""],
  ];
  return rows.flatMap(([term, figure, note]) => {
    const dt = document.createElement("dt");
    dt.textContent = term;
    const dd = document.createElement("dd");
    dd.textContent = figure;
    const range = document.createElement("dd");
    range.className = "range";
    range.textContent = note;
    return [dt, dd, range];
  });
}
