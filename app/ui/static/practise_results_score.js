// The head of the results: the score with its interval, the time against the exam's pace, and what to do next.
import { button, h } from "./dom.js";
import { interval, percent } from "./practise_charts_svg.js";
import { counted, seconds } from "./practise_results_words.js";

/** A bar from 0 to `most` with a mark and, where there is one, an interval or a line. All are values on that scale. */
function gauge({ value, low, high, line, most }) {
  const at = (number) => `${Math.min(100, (100 * number) / most)}%`;
  const part = (kind, style) => Object.assign(h("span", { class: kind }), { style });
  return h("div", { class: "gauge", "aria-hidden": "true", data: { testid: "gauge" } },
    part("gauge-bar", `width: ${at(value)}`),
    high === undefined ? null : part("gauge-whisker", `left: ${at(low)}; width: calc(${at(high)} - ${at(low)})`),
    line === undefined ? null : part("gauge-line", `left: ${at(line)}`));
}

function scoreWords(score) {
  const left = score.omitted ? `${counted(score.omitted, "question")} without an answer counted as not right. ` : "";
  return `${left}95 % interval ${interval(score)}: a range made this way holds your true share 19 times in 20.`;
}

function timeWords({ mean, over, pace }) {
  const slow = over ? `${counted(over, "answer")} took` : "None took";
  return `Mean ${seconds(mean)}. ${slow} longer than the exam's ${pace} s (the line).`;
}

export function scoreBlock({ score, time }) {
  return h("div", { class: "score", data: { testid: "score" } },
    h("div", { class: "score-part" },
      h("p", { class: "score-figure", text: percent(score.share) }),
      h("p", { class: "score-words" }, h("strong", { text: `${score.correct} of ${score.n} right` }),
        h("span", { text: scoreWords(score) })),
      gauge({ value: score.share, low: score.low, high: score.high, most: 1 })),
    h("div", { class: "score-part" },
      h("p", { class: "score-figure", text: seconds(time.median) }),
      h("p", { class: "score-words" }, h("strong", { text: "a question (median)" }),
        h("span", { text: timeWords(time) })),
      gauge({ value: time.median, line: time.pace, most: 2 * time.pace })));
}

export function suggestionBlock(suggestion, start) {
  if (!suggestion) return null;
  const { count, mode } = suggestion.selection;
  const words = `Start ${counted(count, "question")}${mode === "tutor" ? "" : `, ${mode}`}`;
  return h("section", { class: "suggestion", "aria-label": "Suggested next", data: { testid: "suggestion" } },
    h("div", {}, h("h3", { text: suggestion.title }), h("p", { text: suggestion.reason })),
    button(words, { kind: "primary", icon: "next", testid: "suggestion-start", on: () => start(suggestion.selection) }));
}
