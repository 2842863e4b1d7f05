// @ts-check
/** The small panel beside a zone that is hovered or focused. */

import { figuresOf, placeOf } from "./zone_figures.js";

/** @typedef {import("./map.js").Zone} Zone */
/** @typedef {import("./map.js").Point} Point */

const GAP = 14;

/** @param {HTMLElement} root */
export function createTip(root) {
  const name = document.createElement("strong");
  const place = document.createElement("span");
  const figures = document.createElement("dl");
  figures.className = "figures";
  root.replaceChildren(name, place, figures);

  return {
    /**
     * @param {Zone} zone
     * @param {import("./feed.js").Hour | null} hour
     */
    write(zone, hour) {
      name.textContent = zone.name;
      place.textContent = placeOf(zone);
      figures.replaceChildren(...figuresOf(zone, hour));
    },
    /**
     * Show it beside a zone, or beside the pointer, inside the window.
     * @param {DOMRect} box
     * @param {Point | null} pointer
     */
    place(box, pointer) {
      root.hidden = false;
      const { offsetWidth: width, offsetHeight: height } = root;
      const [left, right] = pointer ? [pointer.x, pointer.x] : [box.left, box.right];
      const top = pointer ? pointer.y : box.top;
      const fits = right + GAP + width < document.documentElement.clientWidth;
      const x = fits ? right + GAP : left - GAP - width;
      const y = Math.min(top + GAP, window.innerHeight - height - GAP);
      root.style.translate = `${Math.max(GAP, x)}px ${Math.max(GAP, y)}px`;
    },
    hide() {
      root.hidden = true;
    },
  };
}
