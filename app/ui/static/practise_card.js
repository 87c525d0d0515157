// One question: head, stem, options, and after committing the verdict in place. practise_options draws the options,
// practise_foot what stands below. Draws what it is given; the moves are the caller's. All text goes in as text.
import { button, capital, fill, h, icon, lessMotion } from "./dom.js";
import { clockText } from "./practise_clock.js";
import { PACE_S, footAfter, footBefore } from "./practise_foot.js";
import { Options } from "./practise_options.js";

function flagButton(item, flag) {
  return button(item.flagged ? "Flagged" : "Flag", {
    icon: "flag", kind: `quiet small flag${item.flagged ? " on" : ""}`, testid: "flag", "aria-pressed": String(item.flagged),
    title: "Flag this question (F)", on: flag,
  });
}

function chips(item) {
  const topics = [item.system, item.subject, `Step ${item.step}`].filter(Boolean);
  return h("ul", { class: "chips", "aria-label": "Topic" }, topics.map((text) => h("li", { text: capital(text) })));
}

export class Card {
  /** The face of the clock: the caller lets it run. */
  time = h("span", { class: "clock-face", text: "0:00", data: { testid: "clock" } });
  element;
  #actions;
  #options;
  #head = h("div", { class: "card-head" });
  #stem = h("div", { class: "stem", data: { testid: "stem" } });
  #verdict = h("p", { class: "verdict", tabindex: "-1", data: { testid: "verdict" } });
  #foot = h("div", { class: "card-foot" });
  #drawn = null;

  /** `actions`: choose, strike, setConfidence, commit, hint, flag, reread, next, previous. */
  constructor(actions) {
    this.#actions = actions;
    this.#options = new Options(actions);
    this.element = h("article", { class: "card", "aria-labelledby": "question-heading", data: { testid: "card" } },
      this.#head, this.#stem, this.#options.element, this.#foot);
  }

  /** `place`: {first, last, total} in the round. */
  draw(work, place) {
    const graded = work.item.attempt;
    const held = this.element.contains(document.activeElement) ? document.activeElement.dataset.testid : null;
    this.#drawHead(work, place.total);
    if (this.#drawn !== work) fill(this.#stem, work.item.stem.split(/\n+/).map((text) => h("p", { text })));
    this.#drawn = work;
    this.#options.draw(work);
    fill(this.#foot, (graded ? footAfter : footBefore)(work, place, this.#actions));
    this.#drawVerdict(graded);
    this.element.dataset.committed = String(Boolean(graded));
    this.#holdFocus(held);
  }

  /** Draw again what shows the model's reading. */
  drawReadout(work) {
    this.#options.draw(work);
  }

  focusOption() {
    this.#options.focus();
  }

  /** Move reading to the verdict: to the top, so that the options below it are in view; the stem is just above. */
  focusVerdict() {
    this.#verdict.focus({ preventScroll: true });
    this.#verdict.scrollIntoView({ block: "start", behavior: lessMotion() ? "instant" : "smooth" });
  }

  focusedLetter() {
    return this.#options.focusedLetter();
  }

  beside(work, by) {
    return this.#options.beside(work, by);
  }

  #drawHead({ item, elapsed }, total) {
    this.time.textContent = clockText(elapsed);
    fill(this.#head,
      h("div", { class: "card-title" },
        h("h2", { id: "question-heading", text: `Question ${item.number}` },
          h("span", { class: "of-total", text: ` of ${total}` })),
        item.attempt ? null : this.#clock(),
        flagButton(item, this.#actions.flag)),
      chips(item));
  }

  #clock() {
    return h("p", { class: "clock", title: `The exam gives ${PACE_S} seconds an item` },
      h("span", { class: "sr-only", text: "Time on this question " }), this.time,
      h("span", { text: ` of ${clockText(1000 * PACE_S)}` }));
  }

  #drawVerdict(graded) {
    if (!graded) {
      this.#verdict.remove();
      return;
    }
    const { correct, key, chosen } = graded;
    this.#verdict.className = `verdict ${correct ? "right" : "wrong"}`;
    fill(this.#verdict, icon(correct ? "check" : "cross"),
      h("strong", { text: correct ? "Correct" : "Not correct" }),
      h("span", { text: correct ? `The answer is ${key}.` : `The answer is ${key}; you chose ${chosen}.` }));
    this.#options.element.before(this.#verdict);
  }

  /** What was drawn anew has lost the focus: give it back to the button or line of the same name. */
  #holdFocus(held) {
    if (!held || held === "option" || this.element.contains(document.activeElement)) return;
    this.element.querySelector(`[data-testid="${held}"]`)?.focus();
  }
}
