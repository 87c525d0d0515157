// The option rows of a question: radio-like before committing; afterwards key, choice, explanation and the model's
// probability in place. Knows nothing of the rest of the card.
import { button, capital, fill, h, icon } from "./dom.js";
import { Readout, probability } from "./practise_readout.js";

const lettersOf = (work) => Object.keys(work.item.options);

/** Whether the label is an answer word, as of a question on a text, and not a letter. */
const isWord = (label) => label.length > 1;

/** The letter in its circle and the option's text; an answer word says all by itself. */
function names(label, text) {
  if (isWord(label)) return [h("span", { class: "option-text word", data: { testid: "option-words" }, text: capital(label) })];
  return [h("span", { class: "letter", text: label }), h("span", { class: "option-text", text })];
}

/** How the answer `label` is called in a sentence. */
export const nameOf = (label) => (isWord(label) ? `“${capital(label)}”` : label);

// Before committing

function chooseButton(work, letter, choose) {
  const chosen = work.chosen === letter;
  const reachable = chosen || (work.chosen === null && letter === lettersOf(work)[0]);
  const text = work.item.options[letter];
  const name = isWord(letter) ? capital(letter) : `${letter}. ${text}`;
  return h("button", {
    type: "button", class: "option-choose", role: "radio", "aria-checked": String(chosen),
    "aria-label": `${name}${work.struck.has(letter) ? " (struck out)" : ""}`,
    tabindex: reachable ? "0" : "-1", disabled: work.committing || work.item.editable === false,
    data: { testid: "option-choose", letter }, on: { click: () => choose(letter) },
  }, names(letter, text));
}

function strikeButton(work, letter, strike) {
  const struck = work.struck.has(letter);
  return button(struck ? `Take ${nameOf(letter)} back in` : `Strike ${nameOf(letter)} out`, {
    icon: "strike", bare: true, kind: "quiet strike", testid: "strike", "aria-pressed": String(struck),
    disabled: work.committing || work.item.editable === false, on: () => strike(letter),
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
    names(letter, work.item.options[letter]), mark(work.item.attempt, letter), probability(work, letter)),
  explanations?.[letter] ? h("p", { class: "explanation", text: explanations[letter] }) : null);
}

/** One line where a question brought no explanation of any option; null where it did, or before committing. */
function unexplained({ attempt }) {
  if (!attempt || Object.values(attempt.explanations ?? {}).some(Boolean)) return null;
  return h("p", { class: "unexplained", data: { testid: "unexplained" }, text: "This question came without explanations." });
}

/** `choose(letter)`, `strike(letter)` and `reread()` are called as the reader does so. */
export class Options {
  #actions;
  #readout;
  #rows = h("div", { class: "options", "aria-label": "Options" });
  #below = h("div");
  element;

  constructor(actions) {
    this.#actions = actions;
    this.#readout = new Readout(actions.reread);
    this.element = h("div", { class: "options-block" }, this.#readout.element, this.#rows, this.#below);
  }

  draw(work) {
    const rows = this.#rows;
    const graded = Boolean(work.item.attempt);
    const held = rows.contains(document.activeElement) ? document.activeElement.dataset.letter : null;
    rows.setAttribute("role", graded ? "list" : "radiogroup");
    fill(rows, lettersOf(work).map((letter) => (graded ? gradedRow(work, letter) : openRow(work, letter, this.#actions))));
    fill(this.#below, unexplained(work.item));
    if (held) rows.querySelector(`.option-choose[data-letter="${held}"]`)?.focus();
    this.#readout.draw(work);
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
}
