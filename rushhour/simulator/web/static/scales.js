// @ts-check
/** What the map can show, and the step of a colour scale that a figure falls on. */

/**
 * @typedef {object} Measure
 * @property {string} key       the value of the switch
 * @property {string} label     its name on the switch
 * @property {string} title     what the map then shows
 * @property {string} unit      of the legend
 * @property {string} hint      how to read the scale
 * @property {import("./zone_figures.js").Field} field     the array of an hour's zones that it takes
 * @property {"sequential" | "diverging"} scale
 * @property {number[]} bounds  the lower bounds of all steps but the first
 * @property {0 | 1} hours      the hour it is about: 0 the last one, 1 the next one
 */

/** Steps of both scales: as many as `--seq-*` and `--div-*` in demand.css. */
export const STEPS = 9;

/** No figure: not a step of the scale. */
export const MISSING = -1;

// Rides spread over three powers of ten, so each step about doubles the one before. The bounds are
// the same at all hours, so that two hours compare.
const RIDES = [1, 2, 5, 10, 20, 50, 100, 200];

/** @type {Measure[]} */
export const MEASURES = [
  {
    key: "next",
    label: "Next hour",
    title: "Rides predicted for the next hour",
    unit: "rides per hour",
    hint: "each step about doubles",
    field: "next_predicted",
    scale: "sequential",
    bounds: RIDES,
    hours: 1,
  },
  {
    key: "rides",
    label: "Last hour",
    title: "Rides of the last hour",
    unit: "rides per hour",
    hint: "each step about doubles",
    field: "rides",
    scale: "sequential",
    bounds: RIDES,
    hours: 0,
  },
  {
    key: "error",
    label: "Error",
    title: "Error of the last prediction",
    unit: "predicted minus actual rides",
    hint: "blue: more rides than predicted",
    field: "error",
    scale: "diverging",
    bounds: [-50, -20, -5, -1, 1, 5, 20, 50],
    hours: 0,
  },
  {
    key: "mae",
    label: "MAE 24 h",
    title: "Mean absolute error, 24 hours",
    unit: "rides per hour",
    hint: "of each zone’s predictions",
    field: "mae_24h",
    scale: "sequential",
    bounds: [0.2, 0.5, 1, 2, 5, 10, 20, 50],
    hours: 0,
  },
];

/**
 * The step of a figure, from 0 to STEPS - 1, or MISSING.
 * @param {number | null | undefined} value
 * @param {number[]} bounds
 */
export function stepOf(value, bounds) {
  if (value === null || value === undefined) return MISSING;
  let step = 0;
  while (step < bounds.length && value >= bounds[step]) step += 1;
  return step;
}
