// The Practise page: which of its places is shown, by the hash of the address, and the keys. practise_start draws the start
// page, practise_run leads through a session, practise_results and practise_questions are pages of their own.
import { toast } from "./dialogs.js";
import { button, fill, h } from "./dom.js";
import { buildFrame } from "./frame.js";
import { problemPanel } from "./practise_breaks.js";
import { Grid } from "./practise_grid.js";
import { drawQuestions } from "./practise_questions.js";
import { drawResults } from "./practise_results.js";
import { Run } from "./practise_run.js";
import { createSession, fetchSession } from "./practise_session.js";
import { drawStart } from "./practise_start.js";
import { ViewMenu } from "./practise_view.js";
import { listenToKeys, shortcutHelp } from "./shortcuts.js";

const DECK_COUNT = 10;

// With the path: Gradio's <base> would turn a bare "#s/..." into "/#s/...", the other page.
const address = (place) => (place ? `${location.pathname}#${place}` : location.pathname);
const placeOf = (session, position) => `s/${encodeURIComponent(session)}/${position}`;

class PractisePage {
  #help = shortcutHelp();
  #stage = h("div", { class: "practise-stage column" });
  #view = new ViewMenu();
  #frame;
  #grid;
  #run;
  #starting = false; // a double click makes one session
  #asked = 0; // counts the places asked for, so that a slow one never replaces a later one

  constructor(root) {
    document.title = "Practise · LlamaCare";
    this.#frame = buildFrame(root, { page: "practise", title: "Practise", sideLabel: "Practise" });
    this.#grid = new Grid({ onOpen: (position) => { this.#frame.closeSide(); this.#run.open(position); } });
    this.#run = new Run({
      stage: this.#stage, main: this.#frame.main, grid: this.#grid, view: this.#view,
      remember: (session, position) => history.replaceState(null, "", address(placeOf(session, position))),
      results: (session) => this.#go(`results/${encodeURIComponent(session)}`),
      toGrid: (position) => this.#toGrid(position),
    });
    this.#frame.side.append(this.#grid.element, this.#places());
    fill(this.#frame.main, this.#run.head.element, this.#stage);
  }

  begin() {
    this.#listen();
    addEventListener("popstate", () => this.#show());
    this.#show({ focus: false });
  }

  #places() {
    const way = (text, icon, testid, place) => button(text, {
      icon, kind: "quiet wide", testid, on: () => { this.#frame.closeSide(); this.#go(place); },
    });
    return h("nav", { class: "side-foot", "aria-label": "Practise" },
      way("Start page", "list", "home", ""), way("Results", "chart", "results", "results"),
      way("Your questions and files", "edit", "own-questions", "questions"),
      button("Keyboard shortcuts", { icon: "keyboard", kind: "quiet wide", testid: "help", on: this.#help.open }));
  }

  #listen() {
    const { question } = this.#run;
    listenToKeys({
      open: () => question.work !== null, has: question.has, missed: question.missed,
      letter: (letter) => question.choose(letter), confidence: (value) => question.setConfidence(value), arrow: question.arrow,
      enter: () => question.enter(), strike: question.strikeFocused, hint: () => question.hint(), flag: () => question.flag(),
      miss: (kind) => question.miss(kind), highlight: question.highlight, note: question.note, reference: question.reference,
      tutor: () => question.tutor(), next: () => this.#run.step(1), previous: () => this.#run.step(-1),
      grid: () => this.#toGrid(), results: () => this.#go("results"), help: this.#help.open,
      textSize: (by) => this.#view.changeTextSize(by),
    });
  }

  /** To the grid of the open session, in its drawer where the screen is narrow. */
  #toGrid(position = null) {
    if (!this.#run.id) return;
    const opener = document.querySelector(".side-opener");
    if (opener.checkVisibility() && opener.getAttribute("aria-expanded") === "false") opener.click();
    this.#grid.focus(position);
  }

  // Places

  #go(place) {
    history.pushState(null, "", address(place));
    return this.#show();
  }

  /** Show the place that the address names. */
  async #show({ focus = true } = {}) {
    const mine = ++this.#asked;
    const place = location.hash.slice(1);
    const shown = () => mine === this.#asked;
    if (this.#run.id) this.#run.leave();
    try {
      await (place.startsWith("s/") ? this.#session(place, { focus, shown }) : this.#page(place, { focus, shown }));
    } catch (error) {
      if (!shown()) return;
      this.#around(false);
      fill(this.#stage, problemPanel(error.message, () => this.#show()));
    }
  }

  async #session(place, { focus, shown }) {
    const [, id, position] = place.split("/");
    const session = await fetchSession(decodeURIComponent(id));
    if (!shown()) return;
    this.#around(true);
    await this.#run.enter(session, Number(position), { focus });
  }

  async #page(place, { focus, shown }) {
    const stage = h("div"); // one for each page, so that a slow one never draws over a later one
    const [name, id] = place.split("/");
    const back = () => this.#go("");
    const start = (selection) => this.#start(selection);
    document.title = "Practise · LlamaCare";
    this.#around(false);
    fill(this.#stage, stage);
    if (name === "results") {
      const open = (session, position) => this.#go(placeOf(session, position));
      await drawResults(stage, { session: id ? decodeURIComponent(id) : null, open, start, back });
    } else if (name === "questions") await drawQuestions(stage, { back });
    else await drawStart(stage, { open: (session) => this.#go(placeOf(session, "")), start, ...chatIn(place) });
    if (!shown()) return;
    this.#frame.main.scrollTop = 0;
    if (focus && !stage.contains(document.activeElement)) stage.querySelector("h2")?.focus();
  }

  /** What stands around the stage: a session's head and grid, or neither. */
  #around(session) {
    this.#run.head.element.hidden = this.#grid.element.hidden = !session;
  }

  async #start(selection) {
    if (this.#starting) return;
    this.#starting = true;
    const mine = ++this.#asked;
    try {
      const session = await createSession({ mode: "tutor", count: DECK_COUNT, ...selection });
      if (mine !== this.#asked) return;
      history.pushState(null, "", address(placeOf(session.data.id, session.data.current)));
      this.#around(true);
      await this.#run.enter(session);
    } catch (error) {
      toast(error.message, { error: true });
    } finally {
      this.#starting = false;
    }
  }
}

/** The topic that a chat sent along: "topic=heart%20failure&from=ID". */
function chatIn(place) {
  const words = new URLSearchParams(place);
  return { topic: words.get("topic") ?? "", from: words.get("from") ?? "" };
}

export function start(root) {
  new PractisePage(root).begin();
}
