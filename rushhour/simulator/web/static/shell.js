// @ts-check
/** The header of every page: the simulated clock, its state, the progress through the run. */

import { openFeed } from "./feed.js";
import { HOUR_MS, UNKNOWN, longTime, number } from "./format.js";
import { startRemote } from "./remote.js";

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @type {import("./feed.js").Run | null} */
let run = null;

/**
 * Set the text of an element, if it is another one.
 * @param {HTMLElement} target
 * @param {string} text
 */
function put(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** @param {import("./feed.js").Clock} clock */
function showClock(clock) {
  put(element("clock-now"), longTime(clock.now_ts));
  showState(clock.silent_s ? "silent" : clock.state, clock.silent_s ? "no answer" : clock.state);
  if (!run) return;
  const closed = clock.closed_ts === null ? 0 : (clock.closed_ts - run.first_ts) / HOUR_MS + 1;
  const progress = /** @type {HTMLProgressElement} */ (element("clock-progress"));
  progress.value = Math.min(1, closed / run.hours);
  const total = run.loop ? "hours, in a loop" : `of ${number(run.hours)} hours`;
  put(element("clock-hours"), `${number(closed)} ${total}`);
  const end = run.first_ts + closed * HOUR_MS;
  const lag = clock.now_ts === null ? null : Math.max(0, (clock.now_ts - end) / HOUR_MS);
  put(element("clock-lag"), lag === null ? UNKNOWN : `${number(lag, 1)} h`);
}

/**
 * @param {string} state
 * @param {string} text
 */
function showState(state, text) {
  const target = element("clock-state");
  put(target, text);
  if (target.dataset.state !== state) target.dataset.state = state;
}

/** @param {string} text */
function notice(text) {
  const target = element("notice");
  put(target, text);
  target.hidden = !text;
}

startRemote();

openFeed({
  onRun(facts) {
    run = facts;
    notice("");
    put(element("run-label"), facts.label);
    document.body.dataset.run = facts.run_id;
  },
  onClock: showClock,
  onAbsent({ reason }) {
    showState("absent", "no run");
    notice(`${reason} This page comes back by itself.`);
  },
});
