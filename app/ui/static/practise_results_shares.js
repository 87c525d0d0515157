// Which charts of shares, misses and days the results page has. Pure drawing of what the server counted.
import { capital, h } from "./dom.js";
import { chartFigure } from "./practise_charts.js";
import { countsChart, sharesChart, sorted } from "./practise_charts_shares.js";
import { percent } from "./practise_charts_svg.js";
import { trendChart } from "./practise_charts_trend.js";
import { counted, seconds, shareCells } from "./practise_results_words.js";

const BY = [
  ["system", "By system", "System"],
  ["subject", "By subject", "Subject"],
  ["step", "By step", "Step"],
  ["difficulty", "By difficulty", "Difficulty"],
];
const HOW = "Bar: share right. Whisker: 95 % interval. Weakest first; the paler, the fewer answers.";
const UNNAMED = "Not named";

const named = (row, kind) => ({ ...row, name: kind === "step" && /^\d/.test(row.name) ? `Step ${row.name}` : capital(row.name) });

function sharesFigure([kind, title, column], results) {
  const rows = sorted(results.by[kind].filter((row) => row.n > 0).map((row) => named(row, kind)));
  if (!rows.length) return null;
  const name = `${title}: share right of ${counted(rows.length, "row")}, weakest first`;
  const sum = (field) => rows.reduce((total, row) => total + row[field], 0);
  return chartFigure({
    name: kind, title, note: `${HOW} ${counted(results.n, "answer")}.`, testid: `table-${kind}`,
    draw: sharesChart({ rows, whole: sum("correct") / sum("n"), name }),
    columns: [column, "Right", "Answered", "Share right", "95 % interval", "Mean time"],
    rows: rows.map((row) => [row.name, ...shareCells(row), seconds(row.seconds)]),
  });
}

function missFigure(results) {
  const all = results.miss.filter((row) => row.n > 0).map((row) => ({ name: row.name ? capital(row.name) : UNNAMED, n: row.n }));
  if (!all.length) return null;
  const total = all.reduce((sum, row) => sum + row.n, 0);
  const rows = all.sort((one, other) => (one.name === UNNAMED) - (other.name === UNNAMED) || other.n - one.n);
  return chartFigure({
    name: "miss", title: "Kinds of miss", testid: "table-miss",
    note: `What you named as the reason after a wrong answer. ${counted(total, "wrong answer")}.`,
    draw: countsChart({ rows, axis: "Wrong answers", name: `Kinds of miss of ${counted(total, "wrong answer")}` }),
    columns: ["Kind", "Wrong answers", "Share"], rows: rows.map((row) => [row.name, String(row.n), percent(row.n / total)]),
  });
}

function trendFigure({ trend, n }) {
  if (!trend.length) return null;
  const few = trend.length === 1 ? " One day makes no trend yet." : "";
  const how = "Point: share right that day. Whisker: 95 % interval; days whose whiskers overlap may not differ.";
  return chartFigure({
    name: "trend", title: "Day by day", testid: "table-trend",
    note: `${how}${few} ${counted(n, "answer")}.`,
    draw: trendChart({ rows: trend, name: `Share right on each of ${counted(trend.length, "day")}` }),
    columns: ["Day", "Right", "Answered", "Share right", "95 % interval"],
    rows: trend.map((row) => [row.label, ...shareCells(row)]),
  });
}

export function sharesSection(results) {
  return h("section", { class: "result-section", "aria-label": "Where you are right" },
    BY.map((by) => sharesFigure(by, results)), missFigure(results), trendFigure(results));
}
