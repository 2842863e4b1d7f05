// @ts-check
/** The legend of the map: a swatch for each step, the bounds between them, and the unit. */

import { STEPS } from "./scales.js";

/** @typedef {import("./scales.js").Measure} Measure */

/**
 * @param {HTMLElement} root
 * @param {Measure} measure
 */
export function drawLegend(root, measure) {
  const unit = document.createElement("span");
  unit.className = "unit";
  unit.textContent = measure.unit;
  const steps = document.createElement("ol");
  steps.className = "steps";
  steps.setAttribute("aria-hidden", "true");
  for (let step = 0; step < STEPS; step += 1) {
    const item = document.createElement("li");
    item.dataset.step = String(step);
    const bound = document.createElement("span");
    bound.textContent = step === 0 ? "" : number(measure.bounds[step - 1]);
    item.append(bound);
    steps.append(item);
  }
  const hint = document.createElement("span");
  hint.className = "hint";
  hint.textContent = measure.hint;
  root.dataset.scale = measure.scale;
  root.replaceChildren(unit, steps, hint);
}

/** @param {number} value */
function number(value) {
  return String(value).replace("-", "−");
}
