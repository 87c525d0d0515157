// The result page: score, by system, by confidence; the same figures once more as tables for screen readers.
// Pure drawing of what the server counted.
import { button, h } from "./dom.js";

const share = (part, whole) => (whole ? part / whole : 0);
const percent = (part, whole) => (whole ? `${Math.round(100 * share(part, whole))}\u202f%` : "–");

function bars(rows) {
  return h("ul", { class: "bars", "aria-hidden": "true" }, rows.map(({ name, correct, answered, total }) => {
    const track = h("div", { class: "bar-track" }, h("span", { class: "bar-answered" }), h("span", { class: "bar-correct" }));
    track.children[0].style.width = `${100 * share(answered, total)}%`;
    track.children[1].style.width = `${100 * share(correct, total)}%`;
    return h("li", { class: answered ? "" : "none" }, h("span", { class: "bar-name", text: name }), track, h("span", { class: "bar-count", text: answered ? `${correct} of ${answered}` : "none yet" }), h("span", { class: "bar-percent", text: percent(correct, answered) }));
  }));
}

function table(caption, heading, rows) {
  return h("table", { data: { testid: `table-${heading.toLowerCase()}` } }, h("caption", { text: caption }),
    h("thead", {}, h("tr", {}, [heading, "Correct", "Answered", "Share correct"].map((text) => h("th", { scope: "col", text })))),
    h("tbody", {}, rows.map(({ name, correct, answered }) => h("tr", {}, h("th", { scope: "row", text: name }), [correct, answered, percent(correct, answered)].map((text) => h("td", { text }))))));
}

function section(heading, column, rows, note) {
  return h("section", { class: "result-section" }, h("h3", { text: heading }), note ? h("p", { class: "result-note", text: note }) : null, bars(rows), h("div", { class: "sr-only" }, table(heading, column, rows)));
}

export function drawResults(figures, { onBack, onNewRound }) {
  const { total, answered, correct } = figures;
  const systems = [...figures.systems].sort((one, other) => one.system.localeCompare(other.system)).map((row) => ({ ...row, name: row.system }));
  const confidence = ["sure", "unsure", "guess"].map((name) => {
    const row = figures.confidence.find((one) => one.confidence === name) ?? { answered: 0, correct: 0 };
    return { name: name[0].toUpperCase() + name.slice(1), answered: row.answered, correct: row.correct, total: row.answered };
  });
  return h("article", { class: "results", data: { testid: "results-page" } },
    h("h2", { text: "Results of this round", tabindex: "-1" }),
    h("div", { class: "score", data: { testid: "score" } },
      h("p", { class: "score-figure", text: percent(correct, answered) }),
      h("p", { class: "score-words" }, h("strong", { text: `${correct} of ${answered} answered correctly` }), h("span", { text: `${total - answered} of ${total} still open` }))),
    section("By system", "System", systems, "Strong: answered correctly. Pale: answered. The whole bar: all questions of the system."),
    section("By confidence", "Confidence", confidence, "Well judged means: the surer you were, the more often you were right."),
    h("div", { class: "moves" },
      button("Back to the questions", { icon: "prev", kind: "primary", testid: "back", on: onBack }),
      button("Start a new round", { icon: "retry", kind: "quiet", on: onNewRound })));
}
