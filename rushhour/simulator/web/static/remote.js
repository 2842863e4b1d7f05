// @ts-check
/** The controls of the run, in the header of every page. */

/** @param {HTMLElement} _place */
export function mountRemote(_place) {}
