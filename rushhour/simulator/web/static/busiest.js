// @ts-check
/** The table of the ten busiest zones. */

import { UNKNOWN, number, signed } from "./format.js";
import { figureOf } from "./zone_figures.js";

/** @typedef {import("./map.js").Zone} Zone */
/** @typedef {import("./feed.js").Hour} Hour */

const ROWS = 10;

/**
 * @param {HTMLTableSectionElement} body
 * @param {Zone[]} zones
 * @param {(zone: Zone) => void} onPick
 */
export function createBusiest(body, zones, onPick) {
  /** @type {(Zone | null)[]} */
  const shown = new Array(ROWS).fill(null);
  // The rows stay and only their text changes: nothing moves, and a row keeps its focus.
  const rows = shown.map((_, position) => {
    const row = document.createElement("tr");
    const name = document.createElement("th");
    name.scope = "row";
    const button = document.createElement("button");
    button.type = "button";
    button.addEventListener("click", () => {
      const zone = shown[position];
      if (zone) onPick(zone);
    });
    name.append(button);
    const cells = [0, 1, 2, 3].map(() => document.createElement("td"));
    cells[2].className = "error";
    row.append(name, ...cells);
    return { button, cells };
  });
  body.replaceChildren(...rows.map(({ button }) => /** @type {Node} */ (button.closest("tr"))));

  return {
    /** @param {Hour | null} hour */
    show(hour) {
      const counts = zones.map((zone) => figureOf(hour, "rides", zone) ?? -1);
      const order = zones
        .map((_, index) => index)
        .sort((a, b) => counts[b] - counts[a] || a - b)
        .slice(0, ROWS);
      rows.forEach(({ button, cells }, position) => {
        const index = order[position];
        const zone = hour && counts[index] >= 0 ? zones[index] : null;
        shown[position] = zone;
        const texts = zone
          ? [
              number(figureOf(hour, "rides", zone)),
              number(figureOf(hour, "predicted", zone), 1),
              signed(figureOf(hour, "error", zone)),
              number(figureOf(hour, "next_predicted", zone), 1),
            ]
          : [UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN];
        write(button, zone ? zone.name : UNKNOWN);
        button.disabled = !zone;
        cells.forEach((cell, column) => write(cell, texts[column]));
      });
    },
  };
}

/** @param {Element} element @param {string} text */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
