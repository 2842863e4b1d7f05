// @ts-check
/** Numbers, hours and New York times as people read them. Times are epoch ms of New York wall-clock
 * time, labelled UTC: they are formatted as UTC. */

export const HOUR_MS = 3_600_000;
export const UNKNOWN = "–";

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
/** @type {Map<number, Intl.NumberFormat>} */
const formats = new Map();

/**
 * A number with a fixed count of decimals, and separated thousands; a dash if it is not known.
 * @param {number | null | undefined} value
 * @param {number} [decimals]
 */
export function number(value, decimals = 0) {
  if (value === null || value === undefined || !Number.isFinite(value)) return UNKNOWN;
  let format = formats.get(decimals);
  if (!format) {
    format = new Intl.NumberFormat("en-US", {
      minimumFractionDigits: decimals, maximumFractionDigits: decimals,
    });
    formats.set(decimals, format);
  }
  const text = format.format(value).replace("-", "−");
  return /^−[0.,]*$/.test(text) ? text.slice(1) : text;
}

/**
 * A number with its sign, for errors: predicted minus actual rides.
 * @param {number | null | undefined} value
 * @param {number} [decimals]
 */
export function signed(value, decimals = 1) {
  const text = number(value, decimals);
  return typeof value === "number" && value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/**
 * A share as per cent.
 * @param {number | null | undefined} value
 * @param {number} [decimals]
 */
export function percent(value, decimals = 1) {
  const text = number(value === null || value === undefined ? null : value * 100, decimals);
  return text === UNKNOWN ? text : `${text} %`;
}

/** @param {number} value */
function two(value) {
  return String(value).padStart(2, "0");
}

/**
 * An instant: "2024-10-02 23:00".
 * @param {number | null | undefined} ts
 */
export function time(ts) {
  if (ts === null || ts === undefined) return UNKNOWN;
  const date = new Date(ts);
  return `${day(ts)} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
}

/**
 * An instant with its day of the week: "Wed 2024-10-02 23:00".
 * @param {number | null | undefined} ts
 */
export function longTime(ts) {
  if (ts === null || ts === undefined) return UNKNOWN;
  return `${DAYS[new Date(ts).getUTCDay()]} ${time(ts)}`;
}

/**
 * The day of an instant: "2024-10-02".
 * @param {number} ts
 */
export function day(ts) {
  const date = new Date(ts);
  return `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
}

/**
 * An hour as a span: "Wed 2024-10-02, 23:00 to 24:00".
 * @param {number | null | undefined} ts
 */
export function hourSpan(ts) {
  if (ts === null || ts === undefined) return UNKNOWN;
  const date = new Date(ts);
  const hour = date.getUTCHours();
  return `${DAYS[date.getUTCDay()]} ${day(ts)}, ${two(hour)}:00 to ${two(hour + 1)}:00`;
}
