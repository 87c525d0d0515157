// The chart of shares right: one bar a row with its 95 % interval, weakest first; and the bars of counts (kinds of miss).
// Wide: name, bar, figures side by side. Narrow: the name and the figures above the bar.
import { FEW, axisBelow, described, drawing, mark, percent, s, whiskerAcross } from "./practise_charts_svg.js";

const WIDE = 520;
const LETTER = 6.9; // px a letter of a name takes at most, nearly always

function cut(text, room) {
  const most = Math.floor(room / LETTER);
  return text.length <= most ? text : `${text.slice(0, Math.max(1, most - 1))}…`;
}

const figures = (row) => (row.n < FEW ? `too few to say · n ${row.n}` : `${percent(row.share)} · n ${row.n}`);

/** Where the parts of row `place` stand at this width. */
function layout(width) {
  const wide = width >= WIDE;
  const height = wide ? 30 : 46;
  return {
    tight: !wide,
    top: 22,
    height,
    left: wide ? 222 : 1,
    right: wide ? width - 136 : width - 1,
    bar: wide ? 15 : 33, // the bar's middle, from the row's top
    text: wide ? 20 : 18, // the text's line
    nameRoom: wide ? 212 : width - 140,
  };
}

function row(place, at, width, one, parts, words) {
  const top = at.top + place * at.height;
  return s("g", { transform: `translate(0 ${top})` },
    s("text", { class: "chart-name", x: 0, y: at.text, text: cut(one.name, at.nameRoom) }),
    s("text", { class: "chart-value", x: width, y: at.text, "text-anchor": "end", text: words }),
    parts(at.bar));
}

/** The rows as they are drawn: too few to say last, then weakest first. */
export const sorted = (rows) => [...rows].sort((one, other) =>
  (one.n < FEW) - (other.n < FEW) || one.share - other.share || other.n - one.n);

/** rows: {name, n, correct, share, low, high}; `whole`: the share right over everything. Returns width -> svg. */
export function sharesChart({ rows, whole, name }) {
  return (width) => {
    const at = layout(width);
    const x = (share) => at.left + share * (at.right - at.left);
    const bottom = at.top + rows.length * at.height;
    const bar = (one) => (y) => mark(one.name, described(one), one.n,
      s("rect", { class: "chart-bar", x: x(0), y: y - 6, width: Math.max(1, x(one.share) - x(0)), height: 12 }),
      whiskerAcross(x, one, y));
    return drawing(width, bottom + 42, name,
      axisBelow(x, at.top, bottom, "Share right, %", at),
      s("line", { class: "chart-whole", x1: x(whole), x2: x(whole), y1: at.top - 6, y2: bottom }),
      rows.map((one, place) => row(place, at, width, one, bar(one), figures(one))),
      s("text", { class: "chart-whole-name", x: x(whole), y: 12, "text-anchor": anchor(whole), text: `all: ${percent(whole)}` }));
  };
}

const anchor = (share) => (share < 0.15 ? "start" : share > 0.85 ? "end" : "middle");

/** rows: {name, n}. Bars of counts on one scale from 0. Returns width -> svg. */
export function countsChart({ rows, axis, name }) {
  const most = Math.max(1, ...rows.map((one) => one.n));
  const total = rows.reduce((sum, one) => sum + one.n, 0);
  const step = Math.max(1, Math.ceil(most / 4));
  const ticks = Array.from({ length: Math.ceil(most / step) + 1 }, (_, place) => place * step);
  return (width) => {
    const at = layout(width);
    const x = (n) => at.left + (n / ticks.at(-1)) * (at.right - at.left);
    const bottom = at.top + rows.length * at.height;
    const bar = (one) => (y) => mark(one.name, `${one.name}: ${one.n} of ${total}`, Infinity,
      s("rect", { class: "chart-bar", x: x(0), y: y - 6, width: Math.max(1, x(one.n) - x(0)), height: 12 }));
    return drawing(width, bottom + 42, name,
      s("g", { class: "chart-axis" }, ticks.map((tick) => [
        s("line", { class: "chart-grid", x1: x(tick), x2: x(tick), y1: at.top, y2: bottom }),
        s("text", { class: "chart-tick", x: x(tick), y: bottom + 16, text: String(tick),
          "text-anchor": tick === 0 ? "start" : tick === ticks.at(-1) ? "end" : "middle" }),
      ]), s("text", { class: "chart-axis-name", x: (x(0) + at.right) / 2, y: bottom + 35, "text-anchor": "middle", text: axis })),
      rows.map((one, place) => row(place, at, width, one, bar(one), `${one.n} · ${percent(one.n / total)}`)));
  };
}
