// @ts-check
/** The map of the taxi zones: Manhattan by itself, upright and enlarged, beside the whole city. */

import { createZoom } from "./zoom.js";
import { MISSING } from "./scales.js";

/**
 * @typedef {object} Zone
 * @property {number} id
 * @property {string} name
 * @property {string} borough
 * @property {string} path   SVG path, to be filled by the even-odd rule
 * @property {number} cx     a point inside the zone
 * @property {number} cy
 */

/** @typedef {{viewbox: [number, number, number, number], zones: Zone[]}} Atlas */

/** @typedef {{x: number, y: number}} Point */

/**
 * @typedef {object} Listeners
 * @property {(zone: Zone, box: DOMRect, pointer: Point | null) => void} onPoint  hovered or focused
 * @property {() => void} onLeave
 * @property {(zone: Zone) => void} onPick  clicked, tapped, or entered
 */

const SVG = "http://www.w3.org/2000/svg";
// The avenues of Manhattan run 29 degrees east of north.
const MANHATTAN = { degrees: -29, viewbox: [2600, -1076, 596, 2206] };
// Ellis, Liberty and Governor's Island belong to Manhattan but lie off its southern tip.
const OUT_OF_INSET = new Set([103, 104, 105]);
// Zones that are no area have boxes at the western border of the map.
const NOT_AN_AREA = new Set([264, 265]);
const LABEL_GAP = 60;

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

/** The name beside a box. @param {Zone} zone */
function labelOf({ name, cx, cy }) {
  const label = element("text", { x: 2 * cx + LABEL_GAP, y: cy, "aria-hidden": "true" });
  label.textContent = name;
  return label;
}

/** @param {Point} point @param {number} degrees @returns {Point} */
function rotated({ x, y }, degrees) {
  const angle = (degrees * Math.PI) / 180;
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  return { x: x * cos - y * sin, y: x * sin + y * cos };
}

/**
 * The zone that an arrow key leads to: the nearest one within 45 degrees of its direction.
 * @param {Map<number, Point>} centres
 * @param {number} from
 * @param {string} key
 * @returns {number | null}
 */
export function neighbour(centres, from, key) {
  const start = /** @type {Point} */ (centres.get(from));
  let [best, shortest] = [/** @type {number | null} */ (null), Infinity];
  for (const [id, point] of centres) {
    const [dx, dy] = [point.x - start.x, point.y - start.y];
    const along = { ArrowLeft: -dx, ArrowRight: dx, ArrowUp: -dy, ArrowDown: dy }[key] ?? 0;
    const across = key === "ArrowLeft" || key === "ArrowRight" ? Math.abs(dy) : Math.abs(dx);
    const distance = along + 2 * across;
    if (id !== from && along > 0 && across <= along && distance < shortest) {
      [best, shortest] = [id, distance];
    }
  }
  return best;
}

/** One of the two drawings. */
class Sheet {
  /**
   * @param {SVGSVGElement} svg
   * @param {Zone[]} zones
   * @param {number} degrees
   * @param {Listeners} listeners
   */
  constructor(svg, zones, degrees, listeners) {
    this.svg = svg;
    this.listeners = listeners;
    this.zones = new Map(zones.map((zone) => [zone.id, zone]));
    this.centres = new Map(
      zones.map((zone) => [zone.id, rotated({ x: zone.cx, y: zone.cy }, degrees)]),
    );
    this.paths = new Map(zones.map((zone) => [zone.id, this.pathOf(zone)]));
    const group = element("g", { transform: `rotate(${degrees})` });
    // Drawn after the zones, or the neighbours would hide half of the line. A line of ink on a wider
    // one of paper is seen on every colour of the scale.
    this.selection = ["halo", "selection"].map((name) => element("path", { class: name }));
    this.mark = ["halo", "mark"].map((name) => element("path", { class: name }));
    const labels = zones.filter(({ id }) => NOT_AN_AREA.has(id)).map(labelOf);
    group.append(...this.paths.values(), ...labels, ...this.selection, ...this.mark);
    svg.append(group);
    this.stop = zones[0].id;
    this.moveStop(this.stop);
    this.listen();
  }

  /** @param {Zone} zone */
  pathOf(zone) {
    return element("path", {
      class: "zone",
      d: zone.path,
      role: "button",
      tabindex: -1,
      "data-zone": zone.id,
      "aria-label": [zone.name, zone.borough].filter(Boolean).join(", "),
      "aria-describedby": "zone-tip",
    });
  }

  /** Make a zone the one that the tab key reaches. @param {number} id */
  moveStop(id) {
    this.paths.get(this.stop)?.setAttribute("tabindex", "-1");
    this.stop = id;
    this.paths.get(id)?.setAttribute("tabindex", "0");
  }

  /** @param {Event} event @returns {Zone | undefined} */
  zoneOf(event) {
    const target = /** @type {Element} */ (event.target);
    return this.zones.get(Number(target.getAttribute("data-zone")));
  }

  /** @param {Zone} zone @param {Point | null} pointer */
  point(zone, pointer) {
    const path = /** @type {Element} */ (this.paths.get(zone.id));
    this.listeners.onPoint(zone, path.getBoundingClientRect(), pointer);
  }

  listen() {
    this.svg.addEventListener("pointermove", (event) => {
      const zone = this.zoneOf(event);
      if (event.pointerType === "touch") return;
      if (zone) this.point(zone, { x: event.clientX, y: event.clientY });
      else this.listeners.onLeave();
    });
    this.svg.addEventListener("pointerleave", () => this.listeners.onLeave());
    this.svg.addEventListener("focusin", (event) => {
      const zone = this.zoneOf(event);
      if (!zone) return;
      this.moveStop(zone.id);
      if (/** @type {Element} */ (event.target).matches(":focus-visible")) this.point(zone, null);
    });
    this.svg.addEventListener("focusout", () => this.listeners.onLeave());
    this.svg.addEventListener("click", (event) => {
      const zone = this.zoneOf(event);
      if (zone) this.listeners.onPick(zone);
    });
    this.svg.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const zone = this.zoneOf(event);
    if (!zone) return;
    if (event.key === "Enter" || event.key === " ") this.listeners.onPick(zone);
    else if (event.key.startsWith("Arrow")) {
      const next = neighbour(this.centres, zone.id, event.key);
      if (next !== null) this.paths.get(next)?.focus();
    } else if (event.key === "Escape") this.listeners.onLeave();
    else return;
    event.preventDefault();
  }
}

/**
 * @param {{city: SVGSVGElement, manhattan: SVGSVGElement, zoomButtons: HTMLElement}} places
 * @param {Atlas} atlas
 * @param {Listeners} listeners
 */
export function createMap(places, atlas, listeners) {
  const inset = atlas.zones.filter(
    (zone) => zone.borough === "Manhattan" && !OUT_OF_INSET.has(zone.id),
  );
  places.manhattan.setAttribute("viewBox", MANHATTAN.viewbox.join(" "));
  const sheets = [
    new Sheet(places.city, atlas.zones, 0, listeners),
    new Sheet(places.manhattan, inset, MANHATTAN.degrees, listeners),
  ];
  createZoom(places.city, atlas.viewbox, places.zoomButtons);

  const byId = new Map(atlas.zones.map((zone) => [zone.id, zone]));
  /** @type {Map<number, Element[]>} */
  const drawn = new Map(
    atlas.zones.map(({ id }) => [id, sheets.flatMap((sheet) => sheet.paths.get(id) ?? [])]),
  );
  /** @type {Map<number, number>} */
  const painted = new Map();

  /** @param {"mark" | "selection"} which @param {number | null} id */
  function outline(which, id) {
    for (const sheet of sheets) {
      const zone = id === null ? undefined : sheet.zones.get(id);
      for (const line of sheet[which]) line.setAttribute("d", zone ? zone.path : "");
    }
  }

  return {
    /**
     * Colour the zones; only those whose step has changed are touched.
     * @param {(zone: Zone) => number} stepOfZone
     */
    paint(stepOfZone) {
      for (const [id, zone] of byId) {
        const step = stepOfZone(zone);
        if (painted.get(id) === step) continue;
        painted.set(id, step);
        const value = step === MISSING ? "missing" : String(step);
        for (const path of drawn.get(id) ?? []) path.setAttribute("data-step", value);
      }
    },
    /** Outline a zone that is hovered or focused. @param {number | null} id */
    mark: (id) => outline("mark", id),
    /** Outline the zone whose panel is open. @param {number | null} id */
    select: (id) => outline("selection", id),
  };
}
