// The reliability diagram: how sure somebody said to be (across) against how often that was right (up). On the diagonal both
// are the same. The learner's points are round, the model's are diamonds; the larger, the more answers.
import { axisBelow, axisLeft, drawing, interval, mark, percent, s, whiskerUp } from "./practise_charts_svg.js";

const TOP = 60;
const LARGEST = 11;
const SMALLEST = 4;
const LETTER = 6.8; // px a letter of a label takes at most, nearly always
const CORNERS = [[1, -2], [-1, -2], [1, 12], [-1, 12]]; // right or left of the point; px its line stands below the middle

const SHAPES = {
  learner: (x, y, r) => s("circle", { class: "chart-point learner", cx: x, cy: y, r }),
  model: (x, y, r) => s("path", { class: "chart-point model", d: `M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}Z` }),
};

const tooltip = ({ name, said, n, ...row }) =>
  `${name}: said ${percent(said)}, right in ${percent(row.share)} (${interval(row)}) of ${n}`;

function legend(series) {
  let x = 0;
  return s("g", { class: "chart-legend" }, series.map(({ kind, name, points }) => {
    const words = `${name} (n ${points.reduce((sum, point) => sum + point.n, 0)})`;
    const group = s("g", { transform: `translate(${x} 0)` }, SHAPES[kind](7, 10, 6),
      s("text", { class: "chart-tick", x: 20, y: 14, text: words }));
    x += 42 + words.length * LETTER;
    return group;
  }));
}

function regions(x, y, wide) {
  const above = wide ? "more often right than said" : "said too little";
  const below = wide ? "less often right than said" : "said too much";
  return [
    s("path", { class: "chart-diagonal", d: `M${x(0)} ${y(0)}L${x(1)} ${y(1)}` }),
    s("text", { class: "chart-region", x: x(0.02), y: y(0.94), text: above }),
    s("text", { class: "chart-region", x: x(0.98), y: y(0.04), "text-anchor": "end", text: below }),
  ];
}

const beside = (one, other) => one.right < other.left || other.right < one.left;
const apart = (one, other) => beside(one, other) || one.bottom < other.top || other.bottom < one.top;

/** Labels beside their points, each where it covers nothing. Of the model one without room is left out (the table has it). */
function labels(places, left, right) {
  const taken = places.map(({ x, y, r }) => ({ left: x - r, right: x + r, top: y - r, bottom: y + r }));
  const box = ({ x, y, r, short }, [side, up]) => {
    const width = short.length * LETTER;
    const start = side > 0 ? x + r + 4 : x - r - 4 - width;
    return { left: start, right: start + width, top: y + up - 10, bottom: y + up + 2 };
  };
  return places.map((place) => {
    const boxes = CORNERS.map((corner) => box(place, corner)).filter((one) => one.left >= left && one.right <= right);
    const free = boxes.find((one) => taken.every((other) => apart(one, other))) ?? (place.kind === "learner" ? boxes[0] : null);
    if (!free) return null;
    taken.push(free);
    return s("text", { class: `chart-label ${place.kind}`, x: free.left, y: free.bottom - 2, text: place.short });
  });
}

/** series: [{kind: "learner" | "model", name, points: [{name, short, said, n, share, low, high}]}]. Returns width -> svg. */
export function reliabilityChart({ series, name }) {
  const most = Math.max(1, ...series.flatMap(({ points }) => points.map((point) => point.n)));
  const radius = (n) => Math.max(SMALLEST, LARGEST * Math.sqrt(n / most));
  return (width) => {
    const side = Math.min(width - 50, 400);
    const [left, bottom] = [34, TOP + side];
    const x = (share) => left + share * side;
    const y = (share) => bottom - share * side;
    const places = series.flatMap(({ kind, points }) => points.map((point) => ({
      kind, point, short: point.short, x: x(point.said), y: y(point.share), r: radius(point.n),
    })));
    return drawing(width, bottom + 42, name,
      legend(series),
      axisLeft(y, left, left + side, "Right, % of the answers"),
      axisBelow(x, TOP, bottom, "Said: how likely to be right, %"),
      regions(x, y, side > 330),
      places.map((at) => mark(at.point.name, tooltip(at.point), Infinity,
        whiskerUp(at.x, y, at.point, at.kind), SHAPES[at.kind](at.x, at.y, at.r))),
      labels(places, left, width));
  };
}
