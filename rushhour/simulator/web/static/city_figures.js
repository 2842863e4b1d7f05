// @ts-check
/** The figures of the whole city in one hour. */

import { hourSpan, number, signed } from "./format.js";

/** @typedef {import("./feed.js").Hour} Hour */

/**
 * @param {HTMLElement} list
 * @param {HTMLElement} label  says which hour it is
 */
export function createCityFigures(list, label) {
  const cells = [0, 1, 2, 3].map(() => {
    const [term, figure] = [document.createElement("dt"), document.createElement("dd")];
    const pair = document.createElement("div");
    pair.append(term, figure);
    list.append(pair);
    return { term, figure };
  });

  return {
    /** @param {Hour | null} hour */
    show(hour) {
      label.textContent = hourSpan(hour?.pickup_ts);
      const texts = [
        ["Rides", number(hour?.city.rides)],
        ["Predicted", number(hour?.city.prediction)],
        ["Error", signed(hour?.city.error, 0)],
        ["Next hour", number(hour && sum(hour.zones.next_predicted))],
      ];
      cells.forEach(({ term, figure }, index) => {
        [term.textContent, figure.textContent] = texts[index];
      });
    },
  };
}

/** @param {(number | null)[]} column */
function sum(column) {
  return column.reduce((/** @type {number} */ total, value) => total + (value ?? 0), 0);
}
