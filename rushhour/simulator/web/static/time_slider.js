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
  /** How many hours of the past there are; null for all. @type {number | null} */
  let kept = null;

  /** @param {number} pickupTs */
  function show(pickupTs) {
    const [low, high] = [Number(slider.min), Number(slider.max)];
    const spent = (((newest - first) / HOUR_MS - low) / Math.max(1, high - low)) * 100;
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
    /**
     * The hours of a new run.
     * @param {number} start  of the first hour
     * @param {number} last  start of the last hour; a loop goes on after it
     * @param {number | null} keepHours  how many hours of the past there are; null for all
     */
    setRange(start, last, keepHours) {
      [first, newest, isLive, kept] = [start, start, true, keepHours];
      slider.min = "0";
      slider.max = String((last - start) / HOUR_MS);
      slider.disabled = true;
      live.disabled = true;
      live.setAttribute("aria-pressed", "true");
      slider.value = "0";
    },
    /** An hour was closed. @param {number} pickupTs */
    close(pickupTs) {
      newest = pickupTs;
      const index = (newest - first) / HOUR_MS;
      slider.max = String(Math.max(Number(slider.max), index));
      slider.min = String(kept === null ? 0 : Math.max(0, index - kept + 1));
      slider.disabled = false;
      live.disabled = false;
      show(isLive ? newest : first + Number(slider.value) * HOUR_MS);
    },
  };
}
