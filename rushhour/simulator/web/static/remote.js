// @ts-check
/**
 * The controls of the run, in the header of every page. Each sends a command of the command line; a
 * refusal is shown as the clock gives it.
 */

import { openFeed } from "./feed.js";
import { HOUR_MS, hourSpan, time } from "./format.js";

/** The speeds of the slider, the slowest first. */
const SPEEDS = [
  "1m/s", "5m/s", "15m/s", "30m/s", "1h/s", "2h/s", "3h/s", "6h/s", "12h/s", "1d/s", "2d/s", "4d/s",
  "max",
];
const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 };
const ENDED = ["finished", "stopped"];
const TOKEN = "rushhour-token";

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
function find(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`no ${kind.name} #${id}`);
  return found;
}

/** @type {import("./feed.js").Clock | null} */
let clock = null;
/** @type {import("./feed.js").Gate | null} */
let gate = null;
let isSending = false;

/** Bring the controls to life. */
export function startRemote() {
  const access = document.body.dataset.access;
  const pause = find("remote-pause", HTMLButtonElement);
  const step = find("remote-step", HTMLButtonElement);
  const length = find("remote-step-length", HTMLSelectElement);
  const speed = find("remote-speed", HTMLInputElement);
  const hour = find("remote-hour", HTMLInputElement);
  const until = find("remote-until", HTMLButtonElement);
  const seek = find("remote-seek", HTMLButtonElement);
  const token = find("remote-token", HTMLInputElement);
  const controls = [pause, step, length, speed, hour, until, seek];

  pause.addEventListener("click", () => send(clock?.state === "paused" ? "resume" : "pause"));
  step.addEventListener("click", () => send("step", length.value));
  speed.addEventListener("input", () => showSpeed(SPEEDS[Number(speed.value)]));
  speed.addEventListener("change", () => send("speed", SPEEDS[Number(speed.value)]));
  until.addEventListener("click", () => lead("until"));
  seek.addEventListener("click", () => lead("seek"));
  token.value = sessionStorage.getItem(TOKEN) ?? "";
  token.addEventListener("change", () => sessionStorage.setItem(TOKEN, token.value));
  find("remote-token-group", HTMLElement).hidden = access !== "token";
  const toggle = find("remote-toggle", HTMLButtonElement); // shown where there is little room
  toggle.addEventListener("click", () => {
    const isOpen = find("remote", HTMLElement).classList.toggle("is-open");
    toggle.setAttribute("aria-expanded", String(isOpen));
  });
  if (access === "none") {
    answer("These pages are read-only: other machines reach them, and the server has no token.");
  }

  openFeed({
    onRun(run) {
      if (!hour.value) hour.value = time(run.first_ts + 24 * HOUR_MS);
    },
    onClock(now) {
      clock = now;
      const usable = access !== "none" && !ENDED.includes(now.state);
      for (const control of controls) {
        if (control.disabled === usable) control.disabled = !usable;
      }
      const label = now.state === "paused" ? "Resume" : "Pause";
      if (pause.textContent !== label) pause.textContent = label;
      const isHeld = document.activeElement === speed && speed.matches(":active");
      if (now.speed && !isHeld && !isSending) {
        speed.value = String(nearest(now.speed));
        showSpeed(now.speed);
      }
    },
    onGate(status) {
      gate = status;
      showGate();
    },
    onAbsent() {
      clock = gate = null;
      for (const control of controls) control.disabled = true;
      showGate();
    },
  });
  setInterval(showGate, 1_000);

  /** @param {"until" | "seek"} command */
  function lead(command) {
    const target = Date.parse(`${hour.value.trim().replace(" ", "T")}Z`);
    const isBack = command === "seek" && clock?.now_ts && target < clock.now_ts;
    const question = `${hour.value} has passed: the run starts over to get there. Start over?`;
    if (!isBack || window.confirm(question)) send(command, hour.value);
  }
}

/**
 * Send a command, and show why it was refused.
 * @param {string} command
 * @param {string} [value]
 */
async function send(command, value = "") {
  isSending = true;
  answer("");
  /** @type {Record<string, string>} */
  const headers = { "Content-Type": "application/json" };
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    const response = await fetch("/api/commands", {
      method: "POST", headers, body: JSON.stringify({ command, value }),
    });
    const { error } = await response.json();
    if (error) answer(error);
  } catch {
    answer("The server of this page does not answer.");
  } finally {
    isSending = false;
  }
}

/** @param {string} text */
function answer(text) {
  find("remote-answer", HTMLElement).textContent = text;
}

/** @param {string} text */
function showSpeed(text) {
  const output = find("remote-speed-value", HTMLOutputElement);
  if (output.value === text) return;
  output.value = text;
  find("remote-speed", HTMLInputElement).setAttribute("aria-valuetext", text);
}

/** Show what the gate waits for; nothing if the run has no gates. */
function showGate() {
  const place = find("gate", HTMLElement);
  let text = "";
  if (gate?.on_hour?.state === "failed") {
    text = `Gate: the command of --on-hour failed: it ${gate.on_hour.reason}`;
  } else if (gate?.awaited.length && gate.since_ts !== null) {
    const seconds = Math.max(0, Math.round((Date.now() - gate.since_ts) / 1_000));
    text = `Gate: waits ${seconds} s for ${gate.awaited.join(", ")}, ${hourSpan(gate.hour_ts)}`;
  } else if (gate?.gates.length) {
    text = `Gate: ${gate.gates.join(", ")}; nobody is awaited`;
  }
  place.hidden = !gate?.gates.length;
  if (place.textContent !== text) place.textContent = text;
}

/**
 * The position on the slider that is nearest to a speed.
 * @param {string} speed
 */
function nearest(speed) {
  const wanted = Math.log(factor(speed));
  let best = SPEEDS.length - 1;
  if (speed === "max") return best;
  SPEEDS.slice(0, -1).forEach((each, index) => {
    const distance = (/** @type {number} */ at) => Math.abs(Math.log(factor(SPEEDS[at])) - wanted);
    if (best === SPEEDS.length - 1 || distance(index) < distance(best)) best = index;
  });
  return best;
}

/**
 * Simulated seconds per second.
 * @param {string} speed such as "6h/s"
 */
function factor(speed) {
  const match = /^([\d.]+)([smhd])\/s$/.exec(speed);
  return match ? Number(match[1]) * SECONDS[/** @type {"s"} */ (match[2])] : Infinity;
}
