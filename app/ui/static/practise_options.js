// The option rows of a question: radio-like before committing; afterwards key, choice, explanation and the model's
// probability in place. Knows nothing of the rest of the card.
import { button, capital, fill, h, icon } from "./dom.js";

const percent = (share) => (share > 0 && share < 0.005 ? "<1 %" : `${Math.round(100 * share)} %`);

/** ["A", "C"] -> "A or C" */
function either(letters) {
  return letters.length < 2 ? letters.join("") : `${letters.slice(0, -1).join(", ")} or ${letters.at(-1)}`;
}

const lettersOf = (work) => Object.keys(work.item.options);

// Before committing

function chooseButton(work, letter, choose) {
  const chosen = work.chosen === letter;
  const reachable = chosen || (work.chosen === null && letter === lettersOf(work)[0]);
  const text = work.item.options[letter];
  return h("button", {
    type: "button", class: "option-choose", role: "radio", "aria-checked": String(chosen),
    "aria-label": `${letter}. ${text}${work.struck.has(letter) ? " (struck out)" : ""}`,
    tabindex: reachable ? "0" : "-1", disabled: work.committing, data: { testid: "option-choose", letter },
    on: { click: () => choose(letter) },
  }, h("span", { class: "letter", text: letter }), h("span", { class: "option-text", text }));
}

function strikeButton(work, letter, strike) {
  const struck = work.struck.has(letter);
  return button(struck ? `Take ${letter} back in` : `Strike ${letter} out`, {
    icon: "strike", bare: true, kind: "quiet strike", testid: "strike", "aria-pressed": String(struck),
    disabled: work.committing, on: () => strike(letter),
  });
}

function openRow(work, letter, { choose, strike }) {
  const states = [work.chosen === letter ? "chosen" : "", work.struck.has(letter) ? "struck" : ""];
  return h("div", { class: ["option", ...states].filter(Boolean).join(" "), data: { testid: "option", letter } },
    chooseButton(work, letter, choose), strikeButton(work, letter, strike));
}

// After committing

function mark(graded, letter) {
  const isChosen = letter === graded.chosen;
  if (letter === graded.key) {
    const words = isChosen ? "Key, your choice" : "Key";
    return h("span", { class: "option-mark right" }, icon("check"), h("span", { text: words }));
  }
  return isChosen ? h("span", { class: "option-mark wrong" }, icon("cross"), h("span", { text: "Your choice" })) : null;
}

/** Whether the model was measured and is no better than chance here: its probabilities are then folded away. */
const folded = (result) => result.measured && !result.earned;

function bar(letter, share) {
  const filled = h("span");
  filled.style.width = `${100 * share}%`;
  return h("div", {
    class: "probability", role: "img", "aria-label": `Model: ${percent(share)}`,
    data: { testid: "probability", letter, value: share },
  }, h("div", { class: "track" }, filled), h("span", { class: "percent", text: percent(share) }));
}

/** The model's probability of the option; its place is kept while the model reads, so that nothing moves then. */
function probability(work, letter) {
  if (!work.readout) return work.reading ? h("div", { class: "probability", "aria-hidden": "true" }) : null;
  return folded(work.readout) ? null : bar(letter, work.readout.probabilities[letter]);
}

function gradedRow(work, letter) {
  const { key, chosen, struck, explanations } = work.item.attempt;
  const isKey = letter === key;
  const isChosen = letter === chosen;
  const states = [isKey ? "is-key" : isChosen ? "is-wrong" : "", !isKey && struck?.includes(letter) ? "struck" : ""];
  return h("div", {
    class: ["option graded", ...states].filter(Boolean).join(" "), role: "listitem",
    data: { testid: "option", letter, key: String(isKey), chosen: String(isChosen) },
  },
  h("div", { class: "option-head" },
    h("span", { class: "letter", text: letter }), h("span", { class: "option-text", text: work.item.options[letter] }),
    mark(work.item.attempt, letter), probability(work, letter)),
  h("p", { class: "explanation", text: explanations[letter] ?? "" }));
}

const pulse = () => h("span", { class: "pulse", "aria-hidden": "true" });

function readoutName(result) {
  const orders = result?.orders > 1 ? `, mean of ${result.orders} orders` : "";
  return h("p", { class: "readout-name" },
    h("strong", { text: `Model's reading (${result?.calibration ?? "uncalibrated"}${orders})` }),
    result ? h("span", { text: result.model }) : null);
}

/** Beside a reading in one pass: the way to the steadier one, or why that failed. It keeps its place while it runs, so that
    the focus does not fall off it. */
function rereading(work, reread) {
  if (work.readout.orders > 1) return null;
  const count = lettersOf(work).length;
  const control = button(work.rereading ? "Reading in every order…" : "Read in every order", {
    kind: "small reread", testid: "reread", on: reread, "aria-disabled": work.rereading ? "true" : undefined,
    title: `The mean of ${count} readings, the options in another order each time: slower and steadier`,
  });
  if (work.rereading) control.prepend(pulse());
  const failure = work.readFailure ? h("p", { class: "reread-failure", role: "alert", text: work.readFailure }) : null;
  return [failure, control];
}

function answerSet(result) {
  const answers = either([...result.answer_set].sort());
  return h("p", {
    class: "answer-set", data: { testid: "answer-set", sure: String(result.sure) },
    text: `${result.sure ? "Its answer" : "Not sure"}: ${answers}`,
  });
}

/** Below the answer set: what the figures are, and the way to better ones. */
function readoutFoot(work, reread) {
  const { note, measured } = work.readout;
  const pointer = measured ? null : h("a", { href: "/models", text: "Measure this model", data: { testid: "measure-pointer" } });
  return h("div", { class: "readout-foot" },
    h("p", { class: "readout-note" }, h("span", { text: note }), pointer ? " " : null, pointer), rereading(work, reread));
}

/** A reading without measured skill: the sentence that says so, and everything else behind it. */
function foldedReading(work, unfolded) {
  const result = work.readout;
  const rows = Object.entries(result.probabilities).map(([letter, share]) =>
    h("li", {}, h("span", { class: "letter", text: letter }), bar(letter, share)));
  return h("details", { class: "readout-fold", open: unfolded, data: { testid: "readout-fold" } },
    h("summary", { text: capital(result.skill), data: { testid: "skill" } }),
    h("div", { class: "readout-folded" }, answerSet(result), h("ul", {}, rows)));
}

/** What the model made of the question, above the rows: reading, failed, or its answer set. */
function readoutLines(work, state, { reread, unfolded }) {
  const result = work.readout;
  const name = readoutName(result);
  if (state === "reading") {
    return [name, h("p", { class: "reading" }, pulse(), h("span", { text: "reading…" }))];
  }
  if (state === "failed") {
    return [name, h("p", { class: "reading", text: work.readFailure || "The model has not read this question." })];
  }
  if (folded(result)) return [name, foldedReading(work, unfolded), readoutFoot(work, reread)];
  const skill = result.measured ? h("p", { class: "readout-skill", text: capital(result.skill), data: { testid: "skill" } }) : null;
  return [name, skill, answerSet(result), readoutFoot(work, reread)];
}

/** `choose(letter)`, `strike(letter)` and `reread()` are called as the reader does so. */
export class Options {
  #actions;
  #drawn = null; // the work whose reading is shown
  #readout = h("div", { class: "readout", hidden: true, tabindex: "-1", data: { testid: "readout" }, "aria-live": "polite" });
  #rows = h("div", { class: "options", "aria-label": "Options" });
  element = h("div", { class: "options-block" }, this.#readout, this.#rows);

  constructor(actions) {
    this.#actions = actions;
  }

  draw(work) {
    const rows = this.#rows;
    const graded = Boolean(work.item.attempt);
    const held = rows.contains(document.activeElement) ? document.activeElement.dataset.letter : null;
    rows.setAttribute("role", graded ? "list" : "radiogroup");
    fill(rows, lettersOf(work).map((letter) => (graded ? gradedRow(work, letter) : openRow(work, letter, this.#actions))));
    if (held) rows.querySelector(`.option-choose[data-letter="${held}"]`)?.focus();
    this.#drawReadout(work);
  }

  focus() {
    this.#rows.querySelector('.option-choose[tabindex="0"]')?.focus({ preventScroll: true });
  }

  focusedLetter() {
    return document.activeElement?.closest?.(".option")?.dataset.letter ?? null;
  }

  /** The letter `by` rows from the chosen one, passing over what was struck out. */
  beside(work, by) {
    const open = lettersOf(work).filter((letter) => !work.struck.has(letter));
    if (work.chosen === null) return by > 0 ? open[0] : open.at(-1);
    return open[(open.indexOf(work.chosen) + by + open.length) % open.length];
  }

  #drawReadout(work) {
    this.#readout.hidden = !work.item.attempt;
    if (this.#readout.hidden) return;
    const state = work.readout ? "read" : work.reading ? "reading" : "failed";
    const held = this.#readout.contains(document.activeElement);
    this.#readout.dataset.state = state;
    this.#readout.dataset.orders = String(work.readout?.orders ?? "");
    this.#readout.setAttribute("aria-busy", String(work.rereading));
    const unfolded = this.#drawn === work && Boolean(this.#readout.querySelector("details")?.open);
    this.#drawn = work;
    fill(this.#readout, readoutLines(work, state, { reread: this.#actions.reread, unfolded }));
    // The pressed button has been drawn anew, or is gone now that there is nothing more to read.
    if (held) (this.#readout.querySelector(".reread") ?? this.#readout).focus({ preventScroll: true });
  }
}
