// One item: head, tools, stem, options, and after it was graded the verdict in place. practise_stem and practise_options draw
// the question, practise_foot and practise_after what stands below; note, reference values and tutor are its panels. Draws what
// it is given; the moves are the caller's. All text goes in as text.
import { capital, fill, h, icon, lessMotion } from "./dom.js";
import { PACE_S, footAfter } from "./practise_after.js";
import { clockText } from "./practise_clock.js";
import { footBefore } from "./practise_foot.js";
import { Note } from "./practise_note.js";
import { Options, nameOf } from "./practise_options.js";
import { Reference } from "./practise_reference.js";
import { Stem } from "./practise_stem.js";
import { toolRow } from "./practise_tools.js";
import { Tutor } from "./practise_tutor.js";

/** An exam does not say before its end what an item is about. */
function chips(item, { mode }) {
  const filed = [item.system, item.subject, item.step ? `Step ${item.step}` : "", item.attempt ? item.difficulty : ""];
  const topics = mode === "exam" && !item.attempt ? [] : filed.filter(Boolean);
  return h("ul", { class: "chips", "aria-label": "Topic" }, topics.map((text) => h("li", { text: capital(text) })));
}

function verdictWords({ correct, key, chosen }) {
  const answer = `The answer is ${nameOf(key)}`;
  if (correct) return ["Correct", `${answer}.`];
  return chosen ? ["Not correct", `${answer}; you chose ${nameOf(chosen)}.`] : ["Not answered", `${answer}.`];
}

export class Card {
  /** The face of the clock: the caller lets it run. */
  time = h("span", { class: "clock-face", text: "0:00", data: { testid: "clock" } });
  element;
  #actions;
  #options;
  #stem;
  #note;
  #reference = new Reference();
  #tutor;
  #head = h("div", { class: "card-head" });
  #verdict = h("p", { class: "verdict", tabindex: "-1", data: { testid: "verdict" } });
  #foot = h("div", { class: "card-foot" });
  #card;

  /**
   * `actions`: choose, strike, setConfidence, commit, hint, flag, reread, next, previous, miss(kind), note(text, work),
   * highlights(list), tutor, reference, hinted(work).
   */
  constructor(actions) {
    this.#actions = actions;
    this.#options = new Options(actions);
    this.#stem = new Stem(actions.highlights);
    this.#note = new Note(actions.note);
    this.#tutor = new Tutor(actions.hinted);
    this.#card = h("article", { class: "card", "aria-labelledby": "question-heading", data: { testid: "card" } },
      this.#head, this.#stem.element, this.#options.element, this.#note.element, this.#foot);
    this.element = h("div", { class: "card-frame" }, this.#card, this.#reference.element, this.#tutor.element);
  }

  /** `place`: {first, last, total} and the `session` it stands in. */
  draw(work, place) {
    const graded = work.item.attempt;
    const held = this.#card.contains(document.activeElement) ? document.activeElement.dataset.testid : null;
    this.#drawHead(work, place);
    this.#stem.draw(work);
    this.#options.draw(work);
    this.#note.draw(work);
    this.#tutor.draw(work, place.session.tutor);
    fill(this.#foot, (graded ? footAfter : footBefore)(work, place, this.#actions));
    this.#drawVerdict(graded);
    this.#card.dataset.committed = String(Boolean(graded));
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

  /** Highlight what is selected in the stem. */
  highlight() {
    this.#stem.highlight();
  }

  openNote() {
    this.#note.open();
  }

  openReference() {
    this.#tutor.close();
    this.#reference.open();
  }

  openTutor(work) {
    this.#reference.close();
    this.#tutor.open(work);
  }

  #drawHead(work, { total, session }) {
    const { item, elapsed } = work;
    this.time.textContent = clockText(elapsed);
    fill(this.#head,
      h("div", { class: "card-title" },
        h("h2", { id: "question-heading", text: `Question ${item.position}` },
          h("span", { class: "of-total", text: ` of ${total}` })),
        item.attempt ? null : this.#clock()),
      chips(item, session),
      toolRow(work, {
        hold: () => this.#stem.hold(), highlight: () => this.highlight(), note: () => this.openNote(),
        reference: this.#actions.reference, tutor: session.tutor ? this.#actions.tutor : null, flag: this.#actions.flag,
      }));
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
    const [word, sentence] = verdictWords(graded);
    this.#verdict.className = `verdict ${graded.correct ? "right" : "wrong"}`;
    fill(this.#verdict, icon(graded.correct ? "check" : "cross"), h("strong", { text: word }), h("span", { text: sentence }));
    this.#options.element.before(this.#verdict);
  }

  /** What was drawn anew has lost the focus: give it back to the button or line of the same name. */
  #holdFocus(held) {
    if (!held || held === "option" || this.#card.contains(document.activeElement)) return;
    this.#card.querySelector(`[data-testid="${held}"]`)?.focus({ preventScroll: true });
  }
}
