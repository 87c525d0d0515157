// How the model read the question: bars, answer set and what was measured of such readings; folded away without skill.
import { capital, fill, h } from "./dom.js";
import { answerSet, foldedReading, isFolded, labelledBars, pulse, readoutName } from "./readout.js";

const notice = (testid, text) => (text ? h("p", { class: "evidence-notice", text, data: { testid } }) : null);

function dropped(count) {
  if (!count) return "";
  const many = count === 1 ? "1 sentence at the end did" : `${count} sentences at the end did`;
  return `${many} not fit into the model's context and ${count === 1 ? "was" : "were"} not read.`;
}

const removed = (kinds) => (kinds.length ? `Taken out of the text before it was read: ${kinds.join(", ")}.` : "");

function shown(result) {
  const skill = result.measured ? h("p", { class: "readout-skill", data: { testid: "skill" }, text: capital(result.skill) }) : null;
  return [skill, answerSet(result), h("div", { class: "evidence-bars" }, labelledBars(result))];
}

export class Verdict {
  element = h("section", {
    class: "readout evidence-verdict", tabindex: "-1", hidden: true, "aria-live": "polite", "aria-label": "The model's reading",
    data: { testid: "evidence-verdict" },
  });

  clear() {
    this.element.hidden = true;
    this.element.dataset.state = "";
    fill(this.element);
  }

  /** Nothing more comes: a reading that was not finished goes away. */
  settle() {
    if (this.element.dataset.state === "reading") this.clear();
  }

  reading() {
    this.element.hidden = false;
    this.element.dataset.state = "reading";
    fill(this.element, readoutName(null), h("p", { class: "reading" }, pulse(), h("span", { text: "reading…" })));
  }

  show(result) {
    const pointer = result.measured ? null : h("a", { href: "/models", text: "Measure this model", data: { testid: "measure-pointer" } });
    this.element.hidden = false;
    this.element.dataset.state = isFolded(result) ? "folded" : "read";
    fill(this.element, readoutName(result),
      notice("evidence-caution", result.caution), notice("evidence-dropped", dropped(result.dropped)),
      notice("evidence-removed", removed(result.removed)),
      isFolded(result) ? foldedReading(result, false) : shown(result),
      h("p", { class: "readout-note" }, h("span", { text: result.note }), pointer ? " " : null, pointer));
  }
}
