// @ts-check
/** The monitoring page: asks for the scores of a window, and again as hours are closed. */

import { openFeed } from "./feed.js";
import { HOUR_MS } from "./format.js";
import { mountMonitoring } from "./monitoring_view.js";

/** @typedef {import("./monitoring_view.js").Scores} Scores */

const AGAIN_MS = 1_000; // between two answers: at full speed many hours are closed meanwhile
const RETRY_MS = 2_000;
/** @type {Record<string, number>} */
const HOURS = { "24h": 24, "7d": 168, all: Infinity };

const view = mountMonitoring("/topics");
const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-window]"));
let chosen = "7d";
/** @type {Scores | null} */
let shown = null;
let runId = "";
let isAsking = false;
let isStale = true;

async function ask() {
  if (isAsking || document.hidden || !runId) return; // without a run, the header says why
  isAsking = true;
  let wait = AGAIN_MS;
  try {
    while (isStale) {
      isStale = false;
      const wanted = chosen;
      const answer = await fetch(`/api/monitoring?window=${wanted}`);
      if (!answer.ok) throw new Error(String(answer.status));
      const scores = /** @type {Scores} */ (await answer.json());
      if (wanted !== chosen) isStale = true;
      else if (scores.run_id === runId) {
        shown = scores;
        view.show(scores);
        isStale = isStale || scores.hours_missing > 0;
      }
      if (!scores.hours_missing && wanted === chosen) break;
    }
  } catch {
    isStale = true; // the run is away; the feed tells when it is back
    wait = RETRY_MS;
  }
  setTimeout(() => {
    isAsking = false;
    if (isStale) ask();
  }, wait);
}

function changed() {
  isStale = true;
  ask();
}

/**
 * Show the rides of an hour that was just closed, at once.
 * @param {import("./feed.js").Hour} hour
 */
function addHour({ pickup_ts, city }) {
  const last = shown?.city.pickup_ts.at(-1);
  if (shown && last !== undefined && last < pickup_ts) {
    // Where hours were left out, the line has a gap until they are read.
    const gap = pickup_ts - last > HOUR_MS ? [{ ts: last + HOUR_MS, rides: null, predicted: null }] : [];
    const more = [...gap, { ts: pickup_ts, rides: city.rides, predicted: city.prediction }];
    const first = pickup_ts - HOURS[chosen] * HOUR_MS;
    const from = shown.city.pickup_ts.findIndex((ts) => ts > first);
    const kept = from < 0 ? shown.city.pickup_ts.length : from;
    shown.city = {
      pickup_ts: [...shown.city.pickup_ts.slice(kept), ...more.map(({ ts }) => ts)],
      rides: [...shown.city.rides.slice(kept), ...more.map(({ rides }) => rides)],
      predicted: [...shown.city.predicted.slice(kept), ...more.map(({ predicted }) => predicted)],
    };
    view.showCity(shown.city);
  }
  changed();
}

for (const button of buttons) {
  button.addEventListener("click", () => {
    chosen = button.dataset.window ?? chosen;
    for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
    isAsking = false; // a person does not wait
    changed();
  });
}
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && isStale) ask();
});

openFeed({
  onHour: addHour,
  onAlert: changed,
  onGate: view.showGate,
  onRun(run) {
    if (run.run_id !== runId) shown = null;
    runId = run.run_id;
    changed();
  },
  onAbsent() {
    runId = "";
  },
});
