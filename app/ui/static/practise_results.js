// The result page: score, by system, by confidence; the same figures once more as tables for screen readers.
// Pure drawing of what the server counted.
import { button, capital, h } from "./dom.js";

const share = (part, whole) => (whole ? part / whole : 0);
const percent = (part, whole) => (whole ? `${Math.round(100 * share(part, whole))}\u202f%` : "–");

function bar({ name, correct, answered, total }) {
  const track = h("div", { class: "bar-track" }, h("span", { class: "bar-answered" }), h("span", { class: "bar-correct" }));
  track.children[0].style.width = `${100 * share(answered, total)}%`;
  track.children[1].style.width = `${100 * share(correct, total)}%`;
  return h("li", { class: answered ? "" : "none" },
    h("span", { class: "bar-name", text: name }),
    track,
    h("span", { class: "bar-count", text: answered ? `${correct} of ${answered}` : "none yet" }),
    h("span", { class: "bar-percent", text: percent(correct, answered) }));
}

function bars(rows) {
  return h("ul", { class: "bars", "aria-hidden": "true" }, rows.map(bar));
}

function table(caption, heading, rows) {
  const columns = [heading, "Correct", "Answered", "Share correct"];
  const line = ({ name, correct, answered }) => h("tr", {}, h("th", { scope: "row", text: name }),
    [correct, answered, percent(correct, answered)].map((text) => h("td", { text })));
  return h("table", { data: { testid: `table-${heading.toLowerCase()}` } }, h("caption", { text: caption }),
    h("thead", {}, h("tr", {}, columns.map((text) => h("th", { scope: "col", text })))),
    h("tbody", {}, rows.map(line)));
}

function section(heading, column, rows, note) {
  return h("section", { class: "result-section" },
    h("h3", { text: heading }),
    h("p", { class: "result-note", text: note }),
    bars(rows),
    h("div", { class: "sr-only" }, table(heading, column, rows)));
}

function bySystem(figures) {
  const rows = figures.systems.map((row) => ({ ...row, name: row.system }));
  return rows.sort((one, other) => one.name.localeCompare(other.name));
}

function byConfidence(figures) {
  return ["sure", "unsure", "guess"].map((name) => {
    const row = figures.confidence.find((one) => one.confidence === name) ?? { answered: 0, correct: 0 };
    return { name: capital(name), answered: row.answered, correct: row.correct, total: row.answered };
  });
}

function score({ total, answered, correct }) {
  return h("div", { class: "score", data: { testid: "score" } },
    h("p", { class: "score-figure", text: percent(correct, answered) }),
    h("p", { class: "score-words" },
      h("strong", { text: `${correct} of ${answered} answered correctly` }),
      h("span", { text: `${total - answered} of ${total} still open` })));
}

export function drawResults(figures, { onBack, onNewRound }) {
  return h("article", { class: "results", data: { testid: "results-page" } },
    h("h2", { text: "Results of this round", tabindex: "-1" }),
    score(figures),
    section("By system", "System", bySystem(figures),
      "Strong: answered correctly. Pale: answered. The whole bar: all questions of the system."),
    section("By confidence", "Confidence", byConfidence(figures),
      "Well judged means: the surer you were, the more often you were right."),
    h("div", { class: "moves" },
      button("Back to the questions", { icon: "prev", kind: "primary", testid: "back", on: onBack }),
      button("Start a new round", { icon: "retry", kind: "quiet", on: onNewRound })));
}
