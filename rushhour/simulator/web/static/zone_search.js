// @ts-check
/** The search box for zones: a combobox whose list follows what is typed. */

/** @typedef {import("./map.js").Zone} Zone */

const SHOWN = 8;

/**
 * The zones that a text names: by id, or by words of their name and borough; those that begin with it first.
 * @param {Zone[]} zones
 * @param {string} text
 */
export function matching(zones, text) {
  const words = folded(text).split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  /** @param {Zone} zone */
  const rank = ({ id, name }) =>
    String(id) === words[0] ? 0 : folded(name).startsWith(words[0]) ? 1 : 2;
  return zones
    .filter(({ id, name, borough }) => {
      const facts = folded(`${id} ${name} ${borough}`);
      return words.every((word) => facts.includes(word));
    })
    .sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name))
    .slice(0, SHOWN);
}

/** @param {string} text */
function folded(text) {
  return text.toLowerCase().replace(/['’.]/g, "");
}

/**
 * @param {HTMLInputElement} input
 * @param {HTMLElement} list
 * @param {Zone[]} zones
 * @param {(zone: Zone) => void} onPick
 */
export function createSearch(input, list, zones, onPick) {
  /** @type {Zone[]} */
  let found = [];
  let active = -1;

  function show() {
    found = matching(zones, input.value);
    active = found.length ? 0 : -1;
    list.replaceChildren(...found.map(optionOf));
    if (input.value.trim() && !found.length) {
      const none = document.createElement("li");
      none.className = "none";
      none.textContent = "No zone of that name";
      list.append(none);
    }
    const open = list.childElementCount > 0;
    list.hidden = !open;
    input.setAttribute("aria-expanded", String(open));
    mark();
  }

  /** @param {Zone} zone @param {number} index */
  function optionOf(zone, index) {
    const option = document.createElement("li");
    option.id = `zone-option-${index}`;
    option.setAttribute("role", "option");
    const borough = document.createElement("span");
    borough.textContent = zone.borough;
    option.append(zone.name, borough);
    option.addEventListener("pointerdown", (event) => event.preventDefault());
    option.addEventListener("click", () => pick(index));
    return option;
  }

  function mark() {
    [...list.children].forEach((option, index) => {
      option.setAttribute("aria-selected", String(index === active));
    });
    if (active >= 0) input.setAttribute("aria-activedescendant", `zone-option-${active}`);
    else input.removeAttribute("aria-activedescendant");
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  /** @param {number} index */
  function pick(index) {
    const zone = found[index];
    if (!zone) return;
    input.value = zone.name;
    close();
    onPick(zone);
  }

  input.addEventListener("input", show);
  input.addEventListener("focus", () => input.select());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (list.hidden) show();
      else if (found.length) {
        const step = event.key === "ArrowDown" ? 1 : -1;
        active = (active + step + found.length) % found.length;
        mark();
      }
    } else if (event.key === "Enter") pick(active);
    else if (event.key === "Escape") {
      if (list.hidden) input.value = "";
      close();
    } else return;
    event.preventDefault();
  });
}
