// The choices of the start page's form: chips that can be on or off, and one of several. Each carries how many questions
// stand behind it. Knows nothing of what is done with the choice.
import { capital, h } from "./dom.js";

const LABELS = { sure_wrong: "Sure and wrong", disagreement: "Model disagrees" };
const TITLES = {
  unused: "Never answered", wrong: "Your last answer was wrong", flagged: "You flagged them", due: "Due again by spaced repetition",
  sure_wrong: "You said “sure” and were wrong", disagreement: "Model, key and you did not agree",
};

/** "sure_wrong" -> "Sure and wrong" */
export const nameOf = (name) => LABELS[name] ?? capital(name);

function chip(kind, { name, total }, on) {
  const input = h("input", { type: "checkbox", name: kind, value: name, checked: on });
  return h("label", {
    class: "chip", title: TITLES[name], data: { testid: "chip", kind, name, count: total },
  }, input, h("span", { text: kind === "steps" ? `Step ${name}` : nameOf(name) }),
  h("span", { class: "chip-count" }, h("span", { class: "sr-only", text: ", questions: " }), String(total)));
}

/** A group of chips; `rows`: [{name, total}], `chosen`: names that are on. */
export function chipGroup(kind, legend, rows, chosen) {
  if (rows.length === 0) return null;
  return h("fieldset", { class: "chip-group", data: { kind } }, h("legend", { text: legend }),
    h("div", { class: "chip-row" }, rows.map((row) => chip(kind, row, chosen.includes(row.name)))));
}

/** One of several, each explained in a line; `choices`: [{value, label, words}]. */
export function cardGroup(name, legend, choices, chosen) {
  const card = ({ value, label, words }) => h("label", { class: "mode-card", data: { testid: `${name}-${value}` } },
    h("input", { type: "radio", name, value, checked: value === chosen }),
    h("span", { class: "mode-name", text: label }), words ? h("span", { class: "mode-words", text: words }) : null);
  return h("fieldset", { class: `cards cards-${name}` }, h("legend", { text: legend }), h("div", { class: "card-row" }, choices.map(card)));
}
