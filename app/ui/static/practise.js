// The Practise page: which question is open, and the moves between questions. practise_work does what is done to one
// question; practise_grid draws the overview, practise_card the question, practise_results the result page.
// Draws nothing itself.
import { call } from "./api.js";
import { confirmDialog, toast } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { buildFrame } from "./frame.js";
import { Card } from "./practise_card.js";
import { Clock } from "./practise_clock.js";
import { Grid } from "./practise_grid.js";
import { Items } from "./practise_items.js";
import { drawResults } from "./practise_results.js";
import * as steps from "./practise_work.js";
import { listenToKeys, shortcutHelp } from "./shortcuts.js";

// With the path: Gradio's <base> would turn a bare "#3" into "/#3", the other page.
const remember = (place) => history.replaceState(null, "", `${location.pathname}#${place}`);

// How long a verdict stands before anything leads on from it: a double click on "Commit" must not press the "Next" that takes
// its place, and a key that came early waits.
const SETTLE_MS = 400;

class PractisePage {
  #items = new Items();
  #clock = new Clock();
  #help = shortcutHelp();
  #stage = h("div", { class: "practise-stage column" });
  #round = null;
  #shown = null; // the work on the open question
  #settled = 0; // when the last verdict came
  #hurried = 0; // what was asked for when Enter was pressed while the answer was still being graded
  #asked = 0; // counts what was asked for, so that a slow question never replaces a later one
  #frame;
  #grid;
  #card;
  #changed = (work) => { if (work === this.#shown) this.#draw(); };
  #redrawReadout = (work) => { if (work === this.#shown) this.#card.drawReadout(work); };

  constructor(root) {
    document.title = "Practise · LlamaCare";
    this.#frame = buildFrame(root, { page: "practise", title: "Practise", sideLabel: "Questions" });
    fill(this.#frame.main, this.#stage);
    this.#grid = new Grid(this.#frame.side, {
      onOpen: (id) => { this.#frame.closeSide(); this.#open(id); },
      onResults: () => { this.#frame.closeSide(); this.#results(); },
      onNewRound: () => this.#newRound(),
      onHelp: this.#help.open,
    });
    this.#card = new Card({
      choose: (letter) => this.#choose(letter),
      strike: (letter) => this.#strike(letter),
      setConfidence: (value) => this.#setConfidence(value),
      commit: () => this.#commit(),
      hint: () => this.#hint(),
      flag: () => this.#flag(),
      reread: () => steps.readInEveryOrder(this.#shown, this.#redrawReadout),
      next: (event) => this.#forward({ clicked: event.detail > 0 }),
      previous: () => this.#step(-1),
    });
  }

  async begin() {
    this.#listen();
    await this.#enterRound();
  }

  #listen() {
    listenToKeys({
      letter: (letter) => this.#choose(letter),
      confidence: (value) => this.#setConfidence(value),
      arrow: (by) => { if (steps.undecided(this.#shown)) this.#choose(this.#card.beside(this.#shown, by)); },
      enter: () => this.#enter(),
      strike: () => this.#strike(this.#card.focusedLetter() ?? this.#shown?.chosen),
      hint: () => this.#hint(),
      flag: () => this.#flag(),
      results: () => this.#results(),
      next: () => this.#step(1),
      previous: () => this.#step(-1),
      grid: () => this.#grid.focus(),
      help: this.#help.open,
    });
  }

  async #enterRound() {
    try {
      this.#round = await call("GET", "/api/practise/round");
    } catch (error) {
      this.#problem(error.message, () => this.#enterRound());
      return;
    }
    this.#grid.draw(this.#round, null);
    if (location.hash === "#results") return this.#results();
    const asked = this.#round.items.find((item) => `#${item.number}` === location.hash);
    return this.#open(asked?.id ?? this.#round.current);
  }

  // Between questions

  #index() {
    return this.#round.items.findIndex((item) => item.id === this.#shown?.item.id);
  }

  #neighbour(by) {
    return this.#round.items[this.#index() + by]?.id;
  }

  async #open(id, { focus = false } = {}) {
    const mine = ++this.#asked;
    this.#clock.pause();
    let work;
    try {
      work = await this.#items.get(id);
    } catch (error) {
      if (mine === this.#asked) this.#problem(error.message, () => this.#open(id, { focus }));
      return;
    }
    if (mine !== this.#asked) return;
    this.#shown = work;
    remember(work.item.number);
    if (this.#stage.firstChild !== this.#card.element) fill(this.#stage, this.#card.element);
    this.#draw();
    window.scrollTo(0, 0);
    this.#frame.main.scrollTop = 0;
    this.#clock.run(work, this.#card.time);
    if (focus) this.#card.focusOption();
    if (work.item.attempt) this.#read(work);
    for (const by of [1, -1]) if (this.#neighbour(by)) this.#items.get(this.#neighbour(by)).catch(() => {});
  }

  #step(by, options) {
    const id = this.#shown ? this.#neighbour(by) : this.#round?.current;
    if (id) this.#open(id, options);
    else if (by > 0) this.#results();
  }

  /** To the next question. Just after the verdict a click is a double click's second and does nothing, but no key is lost. */
  #forward({ clicked = false } = {}) {
    const left = this.#settled + SETTLE_MS - performance.now();
    const asked = this.#asked;
    const go = () => { if (asked === this.#asked) this.#step(1, { focus: true }); };
    if (left <= 0) go();
    else if (!clicked) setTimeout(go, left);
  }

  #enter() {
    if (steps.undecided(this.#shown)) this.#commit();
    else if (this.#shown?.committing) this.#hurried = this.#asked;
    else if (this.#shown) this.#forward();
  }

  async #results() {
    if (!this.#round) return;
    const mine = ++this.#asked;
    this.#clock.pause();
    try {
      const figures = await call("GET", "/api/practise/results");
      if (mine !== this.#asked) return;
      const back = this.#shown?.item.id ?? this.#round.current;
      fill(this.#stage, drawResults(figures, { onBack: () => this.#open(back), onNewRound: () => this.#newRound() }));
      this.#stage.querySelector("h2").focus();
      this.#shown = null;
      remember("results");
      this.#grid.draw(this.#round, null);
    } catch (error) {
      toast(error.message, { error: true });
    }
  }

  async #newRound() {
    const yes = await confirmDialog({
      heading: "Start a new round?", yes: "Start a new round",
      text: "All questions become unanswered and come in a new order. Your earlier attempts stay stored.",
    });
    if (!yes) return;
    try {
      this.#round = await call("POST", "/api/practise/round");
    } catch (error) {
      toast(error.message, { error: true });
      return;
    }
    this.#items.forget();
    this.#frame.closeSide();
    this.#shown = null;
    await this.#open(this.#round.current);
  }

  // On the open question

  #choose(letter) {
    if (!steps.choose(this.#shown, letter)) return;
    this.#draw();
    this.#card.focusOption();
  }

  #strike(letter) {
    if (steps.strike(this.#shown, letter)) this.#draw();
  }

  #setConfidence(value) {
    if (steps.setConfidence(this.#shown, value)) this.#draw();
  }

  #hint() {
    steps.hint(this.#shown, this.#changed);
  }

  #flag() {
    if (this.#shown) steps.flag(this.#shown, this.#entry(this.#shown), this.#changed);
  }

  async #commit() {
    const work = this.#shown;
    if (!steps.undecided(work) || work.chosen === null) return;
    const entry = this.#entry(work);
    this.#clock.pause();
    this.#hurried = 0;
    await steps.commit(work, this.#round.round, this.#changed);
    const graded = work.item.attempt;
    if (graded) {
      this.#settled = performance.now();
      Object.assign(entry, { chosen: graded.chosen, correct: graded.correct });
      this.#read(work);
    }
    if (work !== this.#shown) {
      this.#grid.draw(this.#round, this.#shown?.item.id);
      return;
    }
    this.#draw();
    if (graded) this.#card.focusVerdict();
    else this.#clock.run(work, this.#card.time);
    if (graded && this.#hurried === this.#asked) this.#forward();
  }

  #read(work) {
    return steps.read(work, this.#redrawReadout);
  }

  /** Its line in the round, which the grid shows. */
  #entry(work) {
    return this.#round.items.find((item) => item.id === work.item.id);
  }

  // Drawing

  #draw() {
    const at = this.#index();
    const total = this.#round.items.length;
    this.#card.draw(this.#shown, { first: at === 0, last: at === total - 1, total });
    this.#grid.draw(this.#round, this.#shown?.item.id);
  }

  #problem(sentence, again) {
    fill(this.#stage, h("div", { class: "notice", role: "alert", data: { testid: "notice" } },
      h("p", { text: sentence }),
      h("button", { type: "button", class: "button small", text: "Try again", on: { click: again } })));
  }
}

export function start(root) {
  new PractisePage(root).begin();
}
