// The chart of the days: share right of each day with its 95 % interval, on a true time axis.
import { axisLeft, described, drawing, mark, s, whiskerUp } from "./practise_charts_svg.js";

const HEIGHT = 250;
const TOP = 34;
const BOTTOM = HEIGHT - 46;
const LABEL = 74; // px that a day's name needs

/** Which days are named below: the first, the last, and between them whatever has room. */
function named(places) {
  const last = places.length - 1;
  const chosen = [0];
  for (let at = 1; at < last; at += 1) {
    if (places[at] - places[chosen.at(-1)] >= LABEL && places[last] - places[at] >= LABEL) chosen.push(at);
  }
  return last > 0 && places[last] - places[chosen.at(-1)] >= LABEL ? [...chosen, last] : chosen;
}

/** rows: {label, when (ISO), n, correct, share, low, high}, oldest first. Returns width -> svg. */
export function trendChart({ rows, name }) {
  const times = rows.map((row) => Date.parse(row.when));
  const span = times.at(-1) - times[0];
  return (width) => {
    const [left, right] = [34, width - 8];
    const [from, to] = [left + 26, right - 26];
    const y = (share) => BOTTOM - share * (BOTTOM - TOP);
    const places = times.map((time) => (span ? from + ((time - times[0]) / span) * (to - from) : (from + to) / 2));
    const gap = Math.min(Infinity, ...places.slice(1).map((place, at) => place - places[at]));
    const point = (row, at) => mark(row.label, described({ ...row, name: row.label }), row.n,
      whiskerUp(places[at], y, row),
      s("circle", { class: "chart-point learner", cx: places[at], cy: y(row.share), r: 5 }));
    return drawing(width, HEIGHT, name,
      axisLeft(y, left, right, "Share right, %"),
      s("polyline", { class: "chart-line", points: places.map((place, at) => `${place},${y(rows[at].share)}`).join(" ") }),
      rows.map(point),
      gap < 36 ? null : rows.map((row, at) => s("text", {
        class: "chart-tick", x: places[at], y: y(row.high) - 6, "text-anchor": "middle", text: `n ${row.n}`,
      })),
      named(places).map((at) => s("text", {
        class: "chart-tick", x: places[at], y: BOTTOM + 18, "text-anchor": "middle", text: rows[at].label,
      })),
      s("text", { class: "chart-axis-name", x: (left + right) / 2, y: HEIGHT - 8, "text-anchor": "middle", text: "Day" }));
  };
}
