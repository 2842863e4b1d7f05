// @ts-check
/** The slider over the hours of the month: an hour of the past, or the newest one as it comes. */

import { HOUR_MS, hourSpan } from "./format.js";

/**
 * @param {{slider: HTMLInputElement, live: HTMLButtonElement, label: HTMLElement}} places
 * @param {(pickupTs: number | null) => void} onChange  an hour of the past, or null: live
 */
export function createTimeSlider({ slider, live, label }, onChange) {
  let first = 0;
  let newest = 0;
  let isLive = true;

  /** @param {number} pickupTs */
  function show(pickupTs) {
    const spent = ((newest - first) / HOUR_MS / Math.max(1, Number(slider.max))) * 100;
    slider.style.setProperty("--closed", `${spent}%`);
    slider.value = String((pickupTs - first) / HOUR_MS);
    const text = hourSpan(pickupTs);
    slider.setAttribute("aria-valuetext", `${text}, New York time`);
    label.textContent = text;
    live.setAttribute("aria-pressed", String(isLive));
  }

  slider.addEventListener("input", () => {
    // The hours that are not over yet are on the slider, so that it shows how far the month is.
    const wanted = Math.min(first + Number(slider.value) * HOUR_MS, newest);
    isLive = false;
    show(wanted);
    onChange(wanted);
  });
  live.addEventListener("click", () => {
    isLive = true;
    show(newest);
    onChange(null);
  });

  return {
    /** The hours of a new run. @param {number} start @param {number} last  starts of hours */
    setRange(start, last) {
      [first, newest, isLive] = [start, start, true];
      slider.max = String((last - start) / HOUR_MS);
      slider.disabled = true;
      live.disabled = true;
      live.setAttribute("aria-pressed", "true");
      slider.value = "0";
    },
    /** An hour was closed. @param {number} pickupTs */
    close(pickupTs) {
      newest = pickupTs;
      slider.disabled = false;
      live.disabled = false;
      show(isLive ? newest : first + Number(slider.value) * HOUR_MS);
    },
  };
}
