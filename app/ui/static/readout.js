// A model's reading of a question as every page draws it: its name, its bars, its answer set, and the fold where skill was not
// earned. Pure drawing of what the server read.
import { capital, h } from "./dom.js";

export const percent = (share) => (share > 0 && share < 0.005 ? "<1 %" : `${Math.round(100 * share)} %`);

/** ["A", "C"] -> "A or C" */
function either(labels) {
  return labels.length < 2 ? labels.join("") : `${labels.slice(0, -1).join(", ")} or ${labels.at(-1)}`;
}

/** Whether the model was measured and is no better than chance here: its probabilities are then folded away. */
export const isFolded = (result) => result.measured && !result.earned;

export function probabilityBar(label, share) {
  const filled = h("span");
  filled.style.width = `${100 * share}%`;
  return h("div", {
    class: "probability", role: "img", "aria-label": `Model: ${percent(share)}`,
    data: { testid: "probability", letter: label, value: share },
  }, h("div", { class: "track" }, filled), h("span", { class: "percent", text: percent(share) }));
}

export const pulse = () => h("span", { class: "pulse", "aria-hidden": "true" });

/** `result` null: the model still reads. */
export function readoutName(result) {
  const orders = result?.orders > 1 ? `, mean of ${result.orders} orders` : "";
  return h("p", { class: "readout-name" },
    h("strong", { text: `Model's reading (${result?.calibration ?? "uncalibrated"}${orders})` }),
    result ? h("span", { text: result.model }) : null);
}

export function answerSet(result) {
  const answers = either(Object.keys(result.probabilities).filter((label) => result.answer_set.includes(label)));
  return h("p", {
    class: "answer-set", data: { testid: "answer-set", sure: String(result.sure) },
    text: `${result.sure ? "Its answer" : "Not sure"}: ${answers}`,
  });
}

/** The label of each option beside its bar. */
export function labelledBars(result) {
  return h("ul", {}, Object.entries(result.probabilities).map(([label, share]) =>
    h("li", {}, h("span", { class: label.length > 1 ? "letter word" : "letter", text: label }), probabilityBar(label, share))));
}

/** A reading without measured skill: the sentence that says so, and everything else behind it. */
export function foldedReading(result, unfolded) {
  return h("details", { class: "readout-fold", open: unfolded, data: { testid: "readout-fold" } },
    h("summary", { text: capital(result.skill), data: { testid: "skill" } }),
    h("div", { class: "readout-folded" }, answerSet(result), labelledBars(result)));
}
