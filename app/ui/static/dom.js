// Small helpers to make page elements. Text always goes in as text, never as markup:
// nothing here knows innerHTML. Knows nothing of the application.

/** Make an element: attributes, `class`, `text`, `data` (dataset) and `on` (listeners), then children. */
export function h(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

// Paths on a 20 x 20 field, drawn with a 1.5 line in the text's colour.
const ICONS = {
  plus: "M10 4v12M4 10h12",
  lock: "M5.5 9h9v7.5h-9zM7.2 9V6.5a2.8 2.8 0 0 1 5.6 0V9",
  search: "M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4zM12.8 12.8 17 17",
  more: "M4.6 9.6h.8v.8h-.8zM9.6 9.6h.8v.8h-.8zM14.6 9.6h.8v.8h-.8z",
  menu: "M3.5 6h13M3.5 10h13M3.5 14h13",
  close: "M5 5l10 10M15 5 5 15",
  send: "M10 16V4.5M5 9.3l5-4.8 5 4.8",
  stop: "M6 6h8v8H6z",
  copy: "M7.5 7.5h8v9h-8zM12.5 7.5v-4h-8v9h3",
  retry: "M15.8 8.5A6 6 0 1 0 16 11.5M16 4.5v4h-4",
  edit: "M4 16l.8-3.4L13.5 4 16 6.5 7.4 15.2zM11.5 6 14 8.5",
  down: "M10 4v11.5M5 10.7l5 4.8 5-4.8",
  flag: "M5.5 17V3.5M5.5 4h9l-2 3.2 2 3.3h-9",
  strike: "M3 10h14M13.5 6.2C13 4.8 11.7 4 10 4 8 4 6.6 5 6.6 6.6M6.3 13.5c.4 1.6 1.8 2.5 3.7 2.5 2.1 0 3.6-1 3.6-2.8",
  check: "M4.5 10.5 8.5 14.5 15.5 6",
  cross: "M5.5 5.5l9 9M14.5 5.5l-9 9",
  next: "M8 4.5l5.5 5.5L8 15.5",
  prev: "M12 4.5 6.5 10l5.5 5.5",
  keyboard: "M2.5 5.5h15v9h-15zM5.5 8.5h.01M8.5 8.5h.01M11.5 8.5h.01M14.5 8.5h.01M6.5 11.7h7",
  chart: "M4 16.5V10M8 16.5V5M12 16.5v-8M16 16.5V7",
  hint: "M7.5 13.5h5M8 16.5h4M10 3.5a4.8 4.8 0 0 0-2.7 8.8V13.5h5.4v-1.2A4.8 4.8 0 0 0 10 3.5z",
  sun: "M10 6.7a3.3 3.3 0 1 0 0 6.6 3.3 3.3 0 0 0 0-6.6zM10 2.5v1.5M10 16v1.5M2.5 10H4M16 10h1.5"
    + "M4.7 4.7l1 1M14.3 14.3l1 1M15.3 4.7l-1 1M5.7 14.3l-1 1",
  moon: "M16 12A6.5 6.5 0 0 1 8 4a6.5 6.5 0 1 0 8 8z",
  auto: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM10 3.5v13M12 4v12M14 5v10",
  marker: "M4 16.5h12M6.2 12.6l-.7-2.2L12.7 3.2l2.8 2.8-7.2 7.2-2.1-.6zM11.2 4.7 14 7.5",
  values: "M7.5 3.5v4.8L4 15.2c-.5 1 .1 1.8 1.1 1.8h9.8c1 0 1.6-.8 1.1-1.8l-3.5-6.9V3.5M6 3.5h8M6.2 12h7.6",
  chat: "M3.5 4.5h13v9H9.2L5.5 16.8v-3.3h-2z",
  list: "M3.5 5h3v3h-3zM3.5 12h3v3h-3zM9.5 6.5h7M9.5 13.5h7",
};

/** An inline icon; it says nothing to a screen reader, so its button carries the name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 20 20", width: "18", height: "18", fill: "none", stroke: "currentColor",
    "stroke-width": "1.5", "stroke-linecap": "round", "stroke-linejoin": "round",
    "aria-hidden": "true", focusable: "false",
  })) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button. With `bare` only the icon is seen, and `label` is its name and its tooltip. */
export function button(label, { icon: iconName, bare = false, kind = "", testid, title, on, ...rest } = {}) {
  return h("button", {
    type: "button",
    class: ["button", kind, bare ? "icon-only" : ""].filter(Boolean).join(" "),
    "aria-label": bare ? label : undefined,
    title: title ?? (bare ? label : undefined),
    data: testid ? { testid } : {},
    on: on ? { click: on } : {},
    ...rest,
  }, iconName ? icon(iconName) : null, bare ? null : h("span", { text: label }));
}

/** Replace everything inside `element`. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const TEXT_FIELDS = "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";

/** Whether keys pressed in `target` belong to it (a text field), and not to the page. */
export function isTyping(target) {
  return target instanceof Element && target.closest(TEXT_FIELDS) !== null;
}

/** True on phones and tablets without a keyboard. */
export const coarsePointer = () => window.matchMedia("(hover: none) and (pointer: coarse)").matches;

/** Whether the reader has asked the system for less motion. */
export const lessMotion = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/** "guess" -> "Guess" */
export const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** Whole numbers as people read them: 8192 -> "8,192". */
export const thousands = (number) => Math.round(number).toLocaleString("en-US");
