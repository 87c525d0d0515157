// What the model made of a question, above the options once it is committed: its reading, how far it is to be believed, and the
// way to a steadier one. Its probabilities stand in the rows of the options, or folded away where skill was not earned.
import { button, capital, fill, h } from "./dom.js";
import { answerSet, foldedReading, isFolded, probabilityBar, pulse, readoutName } from "./readout.js";

/** The model's probability of the option; its place is kept while the model reads, so that nothing moves then. */
export function probability(work, letter) {
  if (!work.readout) return work.reading ? h("div", { class: "probability", "aria-hidden": "true" }) : null;
  return isFolded(work.readout) ? null : probabilityBar(letter, work.readout.probabilities[letter]);
}

/** Beside a reading in one pass: the way to the steadier one, or why that failed. It keeps its place while it runs, so that
    the focus does not fall off it. */
function rereading(work, reread) {
  if (work.readout.orders > 1) return null;
  const count = Object.keys(work.item.options).length;
  const control = button(work.rereading ? "Reading in every order…" : "Read in every order", {
    kind: "small reread", testid: "reread", on: reread, "aria-disabled": work.rereading ? "true" : undefined,
    title: `The mean of ${count} readings, the options in another order each time: slower and steadier`,
  });
  if (work.rereading) control.prepend(pulse());
  const failure = work.readFailure ? h("p", { class: "reread-failure", role: "alert", text: work.readFailure }) : null;
  return [failure, control];
}

/** Where model, key and learner differ. */
const agreement = ({ agreement: sentence }) =>
  (sentence ? h("p", { class: "agreement", data: { testid: "agreement" }, text: sentence }) : null);

/** Below the answer set: what the figures are, and the way to better ones. */
function readoutFoot(work, reread) {
  const { note, measured } = work.readout;
  const pointer = measured ? null : h("a", { href: "/models", text: "Measure this model", data: { testid: "measure-pointer" } });
  return h("div", { class: "readout-foot" },
    h("p", { class: "readout-note" }, h("span", { text: note }), pointer ? " " : null, pointer), rereading(work, reread));
}

/** What the model made of the question, above the rows: reading, failed, or its answer set. */
function lines(work, state, { reread, unfolded }) {
  const result = work.readout;
  const name = readoutName(result);
  if (state === "reading") {
    return [name, h("p", { class: "reading" }, pulse(), h("span", { text: "reading…" }))];
  }
  if (state === "failed") {
    return [name, h("p", { class: "reading", text: work.readFailure || "The model has not read this question." })];
  }
  if (isFolded(result)) return [name, foldedReading(result, unfolded), readoutFoot(work, reread)];
  const worth = { class: "readout-skill", data: { testid: "skill" } };
  const skill = result.measured ? h("p", { ...worth, text: capital(result.skill) }) : null;
  return [name, skill, answerSet(result), agreement(result), readoutFoot(work, reread)];
}

/** `reread()` is called as the reader asks for the steadier reading. */
export class Readout {
  #reread;
  #drawn = null; // the work whose reading is shown
  element = h("div", { class: "readout", hidden: true, tabindex: "-1", data: { testid: "readout" }, "aria-live": "polite" });

  constructor(reread) {
    this.#reread = reread;
  }

  draw(work) {
    const { element } = this;
    element.hidden = !work.item.attempt;
    if (element.hidden) return;
    const state = work.readout ? "read" : work.reading ? "reading" : "failed";
    const held = element.contains(document.activeElement);
    element.dataset.state = state;
    element.dataset.orders = String(work.readout?.orders ?? "");
    element.setAttribute("aria-busy", String(work.rereading));
    const unfolded = this.#drawn === work && Boolean(element.querySelector("details")?.open);
    this.#drawn = work;
    fill(element, lines(work, state, { reread: this.#reread, unfolded }));
    // The pressed button has been drawn anew, or is gone now that there is nothing more to read.
    if (held) (element.querySelector(".reread") ?? element).focus({ preventScroll: true });
  }
}
