// The short answer: sentences of the passages themselves, under the headings of the chosen shape, each with a citation that
// opens its passage with the sentence set off. Knows nothing of what the model writes.
import { numbered, show, titleOf } from "./ask_passages.js";
import { fill, h } from "./dom.js";

/** "[1]", a button that opens the passage; only text where the passage is gone. */
function citation(passages, { number, start, end }) {
  const passage = numbered(passages, number);
  if (!passage) return h("span", { class: "cite", text: `[${number}]` });
  const name = `Source ${number}: ${titleOf(passage)}`;
  return h("button", {
    type: "button", class: "cite", text: `[${number}]`, title: name, "aria-label": name, data: { testid: "cite", number },
    on: { click: () => show(passage, [start, end]) },
  });
}

function block({ heading, sentences, missing }, passages) {
  const line = (sentence) => h("li", { data: { testid: "short-sentence" } }, `${sentence.text} `, citation(passages, sentence));
  return h("div", { class: "short-block", data: { testid: "short-block" } },
    heading ? h("h4", { text: heading }) : null,
    sentences.length > 0 ? h("ul", { class: "short-list" }, sentences.map(line)) : null,
    missing ? h("p", { class: "short-missing", text: missing }) : null);
}

/** Fill `element` with the short answer of `grounds`; nothing where it has none. */
export function drawShort(element, { short, passages }) {
  if (short.length === 0) fill(element);
  else fill(element, h("h3", { class: "part-name", text: "Short answer" }), short.map((one) => block(one, passages)));
}

/** The short answer as plain text, its citations in brackets. */
export function shortText({ short }) {
  const lines = ({ heading, sentences, missing }) => [
    heading, ...sentences.map(({ text, number }) => `${text} [${number}]`), missing,
  ].filter(Boolean).join("\n");
  return short.map(lines).join("\n\n");
}
