// The open question: its card, its clock, and what the learner does with it. What changed is kept at once, the time every
// few seconds and when the question is left. Knows the session only as the card is told of it.
import { Card } from "./practise_card.js";
import { Clock } from "./practise_clock.js";
import { keepFromTimeToTime } from "./practise_keeping.js";
import * as steps from "./practise_work.js";

// How long a verdict stands before anything leads on from it: a double click on "Commit" must not press the "Next" that takes
// its place, and a key that came early waits.
const SETTLE_MS = 400;

export class OpenQuestion {
  /** What is done with the open question; null while none is open. */
  work = null;
  card;
  #clock = new Clock();
  #place = null;
  #calls;
  #article;
  #settled = 0; // when the last verdict came
  #hurried = 0; // which question was left for the next when Enter was pressed while the answer was still being graded
  #shown = 0; // counts the questions left, so that a late "next" never leads on from another
  #changed = (work) => { this.#calls.changed(work); if (work === this.work) this.#draw(); };
  #redrawReadout = (work) => { if (work === this.work) this.card.drawReadout(work); };

  /**
   * `calls`: changed(work) after each change; refused(work) when the server would not keep or grade it; next({focus}) and
   * previous().
   */
  constructor(calls) {
    this.#calls = calls;
    this.card = new Card({
      choose: (letter) => this.choose(letter), strike: (letter) => this.strike(letter),
      setConfidence: (value) => this.setConfidence(value), commit: () => this.commit(), hint: () => this.hint(),
      flag: () => this.flag(), miss: (kind) => this.miss(kind), note: (text, work) => steps.note(work, text, this.#changed),
      highlights: (list) => steps.setHighlights(this.work, list, this.#changed), tutor: () => this.tutor(), reference: () => this.reference(),
      reread: () => steps.readInEveryOrder(this.work, this.#redrawReadout), hinted: this.#changed,
      next: (event) => this.#forward({ clicked: event.detail > 0 }), previous: () => calls.previous(),
    });
    this.#article = this.card.element.querySelector("article");
    this.#article.tabIndex = -1;
    keepFromTimeToTime({ keep: () => this.keep(), keepOnLeaving: () => this.#keepOnLeaving() });
  }

  /** Show `work`; `place` as the card wants it. */
  show(work, place) {
    this.work = work;
    this.place(place);
    this.#clock.run(work, this.card.time);
    if (work.item.attempt) this.#read();
  }

  /** Draw it at a new place, or in a session that has moved on. */
  place(place) {
    this.#place = place;
    this.#draw();
  }

  /** To the options, or to the whole of a question that is graded. */
  focus() {
    if (steps.undecided(this.work)) this.card.focusOption();
    else this.#article.focus({ preventScroll: true });
  }

  /** Stop the clock and keep the time; resolves when it is kept. */
  leave() {
    this.#clock.pause();
    this.#shown += 1;
    const kept = this.keep();
    this.work = null;
    return kept;
  }

  /** Stop the clock and keep the time, while the server is asked for a change of the session. */
  hold() {
    this.#clock.pause();
    return this.keep();
  }

  /** After hold(), where nothing changed. */
  goOn() {
    if (this.work) this.#clock.run(this.work, this.card.time);
  }

  /** Its answer stands: nothing more is kept of it. */
  close() {
    this.#clock.pause();
    if (this.work) this.work.item.editable = false;
  }

  /** Keep what has changed and the time in view. */
  async keep() {
    const { work } = this;
    if (!work || work.committing) return;
    this.#clock.catchUp();
    const refusal = await steps.keep(work, this.#changed);
    if (refusal?.status === 409) this.#calls.refused(work);
  }

  #keepOnLeaving() {
    if (!this.work) return;
    this.#clock.catchUp();
    steps.keepOnLeaving(this.work);
  }

  get #tutored() {
    return this.#place.session.mode === "tutor";
  }

  has = (letter) => Boolean(steps.undecided(this.work) && letter in this.work.item.options);
  missed = () => Boolean(this.work?.item.attempt?.chosen && !this.work.item.attempt.correct);

  // Moves; each does nothing where it has no meaning

  choose(letter) {
    if (!steps.choose(this.work, letter)) return;
    this.#decided();
    this.card.focusOption();
  }

  strike(letter) {
    if (steps.strike(this.work, letter)) this.#decided();
  }

  strikeFocused = () => this.strike(this.card.focusedLetter() ?? this.work?.chosen);
  arrow = (by) => { if (steps.undecided(this.work)) this.choose(this.card.beside(this.work, by)); };

  setConfidence(value) {
    if (steps.setConfidence(this.work, value)) this.#decided();
  }

  #decided() {
    this.#changed(this.work);
    this.keep();
  }

  hint() {
    if (this.work && this.#place.session.hints) steps.hint(this.work, this.#changed);
  }

  flag() {
    if (this.work) steps.flag(this.work, this.#place.entry, this.#changed);
  }

  miss(kind) {
    if (this.missed()) steps.miss(this.work, kind, this.#changed);
  }

  /** Of `work`, which may have been left since it was written. */
  tutor() {
    if (this.work && this.#place.session.tutor) this.card.openTutor(this.work);
  }

  note = () => { if (this.work) this.card.openNote(this.work); };
  reference = () => { if (this.work) this.card.openReference(); };
  highlight = () => { if (this.work) this.card.highlight(); };

  /** Enter: commit, then go on; without verdicts just go on. */
  enter() {
    if (this.#tutored && steps.undecided(this.work)) this.commit();
    else if (this.work?.committing) this.#hurried = this.#shown;
    else if (this.work) this.#forward();
  }

  async commit() {
    const { work } = this;
    if (!this.#tutored || !steps.undecided(work) || work.chosen === null) return;
    const shown = this.#shown;
    this.#clock.pause();
    this.#hurried = -1;
    await steps.commit(work, this.#changed);
    const graded = work.item.attempt;
    if (graded) this.#settled = performance.now();
    else this.#calls.refused(work);
    this.#changed(work);
    if (work !== this.work) return;
    if (!graded) return this.#clock.run(work, this.card.time);
    this.#read();
    this.card.focusVerdict();
    if (this.#hurried === shown) this.#forward();
  }

  /** To the next question. Just after the verdict a click is a double click's second and does nothing, but no key is lost. */
  #forward({ clicked = false } = {}) {
    const left = this.#settled + SETTLE_MS - performance.now();
    const shown = this.#shown;
    const go = () => { if (shown === this.#shown) this.#calls.next(); };
    if (left <= 0) go();
    else if (!clicked) setTimeout(go, left);
  }

  #read() {
    return steps.read(this.work, this.#redrawReadout);
  }

  #draw() {
    this.card.draw(this.work, this.#place);
  }
}
