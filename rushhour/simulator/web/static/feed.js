// @ts-check
/**
 * The live stream of a page: one EventSource, opened again for as long as the page lives.
 *
 * @typedef {object} Clock
 * @property {string} state
 * @property {number | null} now_ts simulated time
 * @property {number | null} closed_ts the last closed hour
 * @property {string | null} speed
 * @property {number} [trips]
 * @property {number | null} [pause_at_ts]
 * @property {number | null} [fast_until_ts]
 * @property {string} [command_error]
 * @property {number | null} [silent_s] since when the producer was not heard of
 *
 * @typedef {(number | null)[]} Column one value per zone, that of zone 1 first
 *
 * @typedef {object} Zones
 * @property {Column} rides
 * @property {Column} predicted
 * @property {Column} lower
 * @property {Column} upper
 * @property {Column} error
 * @property {Column} mae_24h
 * @property {Column} next_predicted
 * @property {Column} next_lower
 * @property {Column} next_upper
 *
 * @typedef {object} Hour
 * @property {number} pickup_ts start of the hour
 * @property {number} skipped hours between this one and the one before
 * @property {Record<string, number | null>} city
 * @property {Zones} zones
 *
 * @typedef {object} Alert
 * @property {string} id
 * @property {number} pickup_ts
 * @property {number} zone
 * @property {string} direction
 * @property {number} relative_change
 *
 * @typedef {object} Gate
 * @property {string[]} gates
 * @property {string[]} awaited
 * @property {number | null} hour_ts
 * @property {number | null} since_ts
 * @property {Record<string, number>} acknowledged
 * @property {number} refused
 * @property {string} refusal
 * @property {{state: string, hour_ts: number, reason: string} | null} on_hour
 *
 * @typedef {object} Run
 * @property {string} run_id
 * @property {string} label
 * @property {string} dataset
 * @property {string} month
 * @property {boolean} synthetic
 * @property {string} what_if
 * @property {number} first_ts
 * @property {number} last_ts
 * @property {number} hours
 * @property {boolean} loop whether the hours play again and again; then hours and last_ts are of the first time
 * @property {number | null} keep_hours how many closed hours can be read; null for all
 * @property {number} zone_count
 * @property {{served: string, challengers: string[], baselines: string[], submitted: string[]}} models
 *
 * @typedef {object} Listener what a part of a page wants to hear of
 * @property {(clock: Clock) => void} [onClock]
 * @property {(hour: Hour) => void} [onHour]
 * @property {(alert: Alert) => void} [onAlert]
 * @property {(gate: Gate) => void} [onGate]
 * @property {(run: Run) => void} [onRun] the run's facts: at first, when they change, and after an absence
 * @property {(absence: {reason: string}) => void} [onAbsent]
 */

const RETRY_MS = 1_000;
/** The server says something at least every 15 s; a connection that is silent for longer is dead. */
const SILENT_MS = 40_000;
const KEPT_ALERTS = 50;

/** @type {Set<Listener>} */
const listeners = new Set();
/** What a listener that comes later has missed. @type {Map<string, any>} */
const latest = new Map();
/** The last alerts, for listeners that come later. @type {Alert[]} */
let alerts = [];
/** @type {EventSource | null} */
let source = null;
let runId = "";
let lastId = "";
let heardAt = 0;

/** The run comes first: a listener starts over with it. @type {[string, keyof Listener][]} */
const EVENTS = [
  ["run", "onRun"], ["clock", "onClock"], ["hour", "onHour"], ["alert", "onAlert"],
  ["gate", "onGate"], ["absent", "onAbsent"],
];

/**
 * Listen to the run. All parts of a page share one connection. A part that comes later is told at
 * once how things stand.
 * @param {Listener} listener
 * @returns {() => void} stops listening
 */
export function openFeed(listener) {
  listeners.add(listener);
  if (!source) connect();
  for (const [name, method] of EVENTS) {
    if (name === "alert") alerts.forEach((alert) => call(listener, method, alert));
    else if (latest.has(name)) call(listener, method, latest.get(name));
  }
  return () => listeners.delete(listener);
}

function connect() {
  const query = new URLSearchParams();
  if (runId) query.set("run", runId);
  if (lastId) query.set("after", lastId);
  const opened = new EventSource(`/events?${query}`);
  source = opened;
  heardAt = Date.now();
  for (const [name, method] of EVENTS) {
    opened.addEventListener(name, (event) => {
      heardAt = Date.now();
      receive(name, method, /** @type {MessageEvent} */ (event));
    });
  }
  opened.onerror = () => retry(opened);
}

/** @param {EventSource} failed */
function retry(failed) {
  if (source !== failed) return;
  failed.close();
  tell("absent", "onAbsent", { reason: "The server of this page does not answer." });
  source = null;
  setTimeout(() => source || connect(), RETRY_MS);
}

setInterval(() => {
  if (source && Date.now() - heardAt > SILENT_MS) retry(source);
}, SILENT_MS / 4);

/**
 * @param {string} name
 * @param {keyof Listener} method
 * @param {MessageEvent} event
 */
function receive(name, method, event) {
  const data = JSON.parse(event.data);
  if (name === "run" && data.run_id !== runId) {
    for (const kept of ["hour", "gate", "clock"]) latest.delete(kept);
    alerts = [];
    runId = data.run_id;
    lastId = "";
  }
  if (name === "hour") lastId = event.lastEventId;
  tell(name, method, data);
}

/**
 * @param {string} name
 * @param {keyof Listener} method
 * @param {any} data
 */
function tell(name, method, data) {
  if (name === "absent") latest.clear();
  else latest.delete("absent");
  if (name === "alert") alerts = [...alerts, data].slice(-KEPT_ALERTS);
  else latest.set(name, data);
  for (const listener of listeners) call(listener, method, data);
}

/**
 * @param {Listener} listener
 * @param {keyof Listener} method
 * @param {any} data
 */
function call(listener, method, data) {
  try {
    /** @type {((data: any) => void) | undefined} */ (listener[method])?.(data);
  } catch (error) {
    console.error(error); // one part that fails must not silence the others
  }
}
