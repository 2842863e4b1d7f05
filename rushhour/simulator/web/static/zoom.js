// @ts-check
/** Zoom and pan of a drawing: buttons, the keys + - 0, the wheel with Ctrl, dragging and two
 * fingers. */

/** @typedef {[number, number, number, number]} Box  x, y, width, height */

const MOST = 12;
const STEP = 1.6;
/** A pointer that moves further than this many pixels drags; it is no click. */
const CLICK_PX = 4;

/**
 * The box `factor` times as small, with the point `(x, y)` of the drawing where it was; never beyond `whole`.
 * @param {Box} box
 * @param {number} factor
 * @param {number} x
 * @param {number} y
 * @param {Box} whole
 * @returns {Box}
 */
export function zoomed(box, factor, x, y, whole) {
  const width = Math.min(whole[2], Math.max(whole[2] / MOST, box[2] / factor));
  const scale = width / box[2];
  return within([x - (x - box[0]) * scale, y - (y - box[1]) * scale, width, box[3] * scale], whole);
}

/** @param {Box} box @param {Box} whole @returns {Box} */
function within([x, y, width, height], whole) {
  return [
    Math.min(Math.max(x, whole[0]), whole[0] + whole[2] - width),
    Math.min(Math.max(y, whole[1]), whole[1] + whole[3] - height),
    width,
    height,
  ];
}

/**
 * @param {SVGSVGElement} svg
 * @param {Box} whole
 * @param {HTMLElement} buttons  holds a button for each `data-zoom`: "in", "out", "all"
 */
export function createZoom(svg, whole, buttons) {
  let box = whole;
  /** @type {Map<number, {x: number, y: number}>} */
  const pointers = new Map();
  let travelled = 0;

  /** @param {Box} next */
  function show(next) {
    box = next;
    svg.setAttribute("viewBox", box.join(" "));
    const isWhole = box[2] >= whole[2];
    svg.classList.toggle("zoomed", !isWhole);
    for (const button of buttons.querySelectorAll("button")) {
      const kind = button.dataset.zoom;
      button.disabled = kind === "in" ? box[2] <= whole[2] / MOST : isWhole;
    }
  }

  /** @param {number} clientX @param {number} clientY @returns {[number, number]} */
  function inDrawing(clientX, clientY) {
    const frame = svg.getBoundingClientRect();
    return [
      box[0] + ((clientX - frame.x) / frame.width) * box[2],
      box[1] + ((clientY - frame.y) / frame.height) * box[3],
    ];
  }

  /** @param {string | undefined} kind */
  function act(kind) {
    const [x, y] = centre();
    if (kind === "in") show(zoomed(box, STEP, x, y, whole));
    if (kind === "out") show(zoomed(box, 1 / STEP, x, y, whole));
    if (kind === "all") show(whole);
  }

  /** The focused zone, or else the middle. @returns {[number, number]} */
  function centre() {
    const focused = svg.querySelector("[data-zone]:focus");
    if (!focused) return [box[0] + box[2] / 2, box[1] + box[3] / 2];
    const frame = focused.getBoundingClientRect();
    return inDrawing(frame.x + frame.width / 2, frame.y + frame.height / 2);
  }

  buttons.addEventListener("click", (event) => {
    act(/** @type {HTMLElement} */ (event.target).closest("button")?.dataset.zoom);
  });
  svg.addEventListener("keydown", (event) => {
    const kind = { "+": "in", "=": "in", "-": "out", 0: "all" }[event.key];
    if (!kind || event.ctrlKey || event.metaKey) return;
    act(kind);
    event.preventDefault();
  });
  svg.addEventListener(
    "wheel",
    (event) => {
      // Without Ctrl the wheel scrolls the page, as it does everywhere else. A pinch on a touchpad has it.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const [x, y] = inDrawing(event.clientX, event.clientY);
      show(zoomed(box, Math.exp(-event.deltaY / 200), x, y, whole));
    },
    { passive: false },
  );

  svg.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pointers.size === 1) travelled = 0;
  });
  svg.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    travelled += Math.hypot(now.x - before.x, now.y - before.y);
    if (other) {
      const spread = Math.hypot(now.x - other.x, now.y - other.y);
      const factor = spread / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
      const [x, y] = inDrawing((now.x + other.x) / 2, (now.y + other.y) / 2);
      show(zoomed(box, factor, x, y, whole));
    } else if (travelled > CLICK_PX && svg.classList.contains("zoomed")) {
      const unit = box[2] / svg.getBoundingClientRect().width;
      const [dx, dy] = [(now.x - before.x) * unit, (now.y - before.y) * unit];
      show(within([box[0] - dx, box[1] - dy, box[2], box[3]], whole));
      svg.setPointerCapture(event.pointerId); // so that its end is no click on a zone
    }
    pointers.set(event.pointerId, now);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    svg.addEventListener(name, (event) => pointers.delete(/** @type {PointerEvent} */ (event).pointerId));
  }
  show(whole);
}
