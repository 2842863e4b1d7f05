// @ts-check
/** The demand page: the map of an hour, its busiest zones, and the panel of a zone. */

import { createBusiest } from "./busiest.js";
import { createCityFigures } from "./city_figures.js";
import { openFeed } from "./feed.js";
import { HOUR_MS, UNKNOWN, hourSpan } from "./format.js";
import { drawLegend } from "./legend.js";
import { createMap } from "./map.js";
import { MEASURES, stepOf } from "./scales.js";
import { createTimeSlider } from "./time_slider.js";
import { figureOf } from "./zone_figures.js";
import { createZonePanel } from "./zone_panel.js";
import { createSearch } from "./zone_search.js";
import { createTip } from "./zone_tip.js";

/** @typedef {import("./map.js").Zone} Zone */
/** @typedef {import("./feed.js").Hour} Hour */

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/** @param {string} url */
async function json(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.json();
}

const atlas = /** @type {import("./map.js").Atlas} */ (await json("/zones.json"));

let measure = MEASURES[0];
/** @type {Hour | null} */
let newest = null;
/** @type {Hour | null} */
let shown = null;
/** The hour of the past that the slider asks for; null: live. @type {number | null} */
let wanted = null;
let loading = false;
let runId = "";
/** @type {Zone | null} */
let pointed = null;

const tip = createTip(byId("zone-tip"));
const panel = createZonePanel(byId("zone-panel"), () => map.select(null));
const map = createMap(
  { city: byId("city"), manhattan: byId("manhattan"), zoomButtons: byId("zoom") },
  atlas,
  {
    onPoint(zone, box, pointer) {
      if (pointed !== zone) {
        pointed = zone;
        map.mark(zone.id);
        tip.write(zone, shown);
      }
      tip.place(box, pointer);
    },
    onLeave() {
      pointed = null;
      map.mark(null);
      tip.hide();
    },
    onPick: openZone,
  },
);
const city = createCityFigures(byId("city-figures"), byId("city-hour"));
const busiest = createBusiest(byId("busiest-rows"), atlas.zones, openZone);
const slider = createTimeSlider(
  { slider: byId("hour-slider"), live: byId("live"), label: byId("hour-label") },
  (pickupTs) => {
    wanted = pickupTs;
    if (pickupTs === null) show(newest);
    else loadWanted();
  },
);

/** @param {Zone} zone */
function openZone(zone) {
  map.select(zone.id);
  panel.open(zone, shown, wanted);
}

/** Load the hour that the slider asks for: one request at a time, the latest wish wins. */
async function loadWanted() {
  if (loading) return;
  loading = true;
  while (wanted !== null && wanted !== shown?.pickup_ts) {
    const asked = wanted;
    const hour = await json(`/api/hours/${asked}`).catch(() => null);
    if (wanted === asked && hour) show(hour);
    if (!hour) break;
  }
  loading = false;
}

/** @param {Hour | null} hour */
function show(hour) {
  shown = hour;
  paint();
  city.show(hour);
  busiest.show(hour);
  panel.show(hour, wanted);
  if (pointed) tip.write(pointed, hour);
}

function paint() {
  map.paint((zone) => stepOf(figureOf(shown, measure.field, zone), measure.bounds));
  byId("map-title").textContent = measure.title;
  byId("map-hour").textContent = shown ? hourSpan(shown.pickup_ts + measure.hours * HOUR_MS) : UNKNOWN;
}

function chooseMeasure() {
  byId("maps").dataset.scale = measure.scale;
  drawLegend(byId("legend"), measure);
  paint();
}

byId("measure").addEventListener("change", (/** @type {Event} */ event) => {
  const { value } = /** @type {HTMLInputElement} */ (event.target);
  measure = MEASURES.find(({ key }) => key === value) ?? measure;
  chooseMeasure();
});

createSearch(byId("zone-search"), byId("zone-options"), atlas.zones, openZone);
chooseMeasure();
openFeed({
  onRun(run) {
    if (run.run_id === runId) return;
    [runId, newest, wanted] = [run.run_id, null, null];
    slider.setRange(run.first_ts, run.last_ts, run.keep_hours);
    show(null);
  },
  onHour(hour) {
    newest = hour;
    slider.close(hour.pickup_ts);
    if (wanted === null) show(hour);
  },
});
