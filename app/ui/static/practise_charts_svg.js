// The small pieces of every chart: SVG elements, the words for shares, the axis from 0 to 100 %. What a piece looks like
// stands in practise_results.css under its class; lengths are px.
const SVG = "http://www.w3.org/2000/svg";
const TICKS = [0, 0.25, 0.5, 0.75, 1];

export const FEW = 5; // below this many answers a share says nothing
const FULL = 30; // from this many answers a mark has its full colour

/** An SVG element: attributes, `text`, `data` (dataset), then children. */
export function s(tag, { text, data, ...attributes } = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  Object.assign(element.dataset, data ?? {});
  if (text !== undefined) element.textContent = text;
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** The drawing itself. `name` is what a screen reader says of it. */
export function drawing(width, height, name, ...children) {
  const box = `0 0 ${width} ${height}`;
  return s("svg", { class: "chart-svg", width, height, viewBox: box, role: "img", "aria-label": name }, ...children);
}

/** What belongs to one row of the figures; the tooltip says them in full. `n` answers: the fewer, the paler. */
export function mark(name, tooltip, n, ...children) {
  const strength = Math.min(1, 0.3 + (0.7 * n) / FULL).toFixed(2);
  return s("g", { class: "chart-mark", opacity: strength, data: { testid: "chart-mark", name } },
    s("title", { text: tooltip }), ...children);
}

export const percent = (share) => `${Math.round(100 * share)}\u202f%`;
export const interval = ({ low, high }) => `${Math.round(100 * low)} to ${percent(high)}`;
export const described = (row) => `${row.name}: ${row.correct} of ${row.n} right, ${percent(row.share)} (${interval(row)})`;

/** Vertical lines at 0, 25, ... 100 % with their figures and the axis' name below. `x` maps a share to px; `tight`: the axis
    ends where the drawing ends. */
export function axisBelow(x, top, bottom, name, { tight = false } = {}) {
  return s("g", { class: "chart-axis" },
    TICKS.map((tick) => [
      s("line", { class: "chart-grid", x1: x(tick), x2: x(tick), y1: top, y2: bottom }),
      s("text", {
        class: "chart-tick", x: x(tick), y: bottom + 16, text: String(100 * tick),
        "text-anchor": tight ? tickAnchor(tick) : "middle",
      }),
    ]),
    s("text", { class: "chart-axis-name", x: (x(0) + x(1)) / 2, y: bottom + 35, "text-anchor": "middle", text: name }));
}

const tickAnchor = (tick) => (tick === 0 ? "start" : tick === 1 ? "end" : "middle");

/** Horizontal lines at 0, 25, ... 100 % with their figures; the axis' name stands above, where it can be read. */
export function axisLeft(y, left, right, name) {
  return s("g", { class: "chart-axis" },
    TICKS.map((tick) => [
      s("line", { class: "chart-grid", x1: left, x2: right, y1: y(tick), y2: y(tick) }),
      s("text", { class: "chart-tick", x: left - 7, y: y(tick) + 4, "text-anchor": "end", text: String(100 * tick) }),
    ]),
    s("text", { class: "chart-axis-name", x: 0, y: y(1) - 14, text: name }));
}

/** A 95 % interval lying down, at the height `y`. */
export function whiskerAcross(x, row, y) {
  const [from, to] = [x(row.low), x(row.high)];
  return s("path", { class: "chart-whisker", d: `M${from} ${y - 4}v8M${from} ${y}H${to}M${to} ${y - 4}v8` });
}

/** A 95 % interval standing, at the place `x`. `kind`: whose it is, for its colour. */
export function whiskerUp(x, y, row, kind = "") {
  const [from, to] = [y(row.low), y(row.high)];
  return s("path", { class: `chart-whisker ${kind}`.trim(), d: `M${x - 4} ${from}h8M${x} ${from}V${to}M${x - 4} ${to}h8` });
}
