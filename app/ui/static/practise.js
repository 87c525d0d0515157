// The Practise page: which question is open, what was chosen on it, and the moves between questions. Draws nothing
// itself: practise_grid draws the overview, practise_card the question, practise_results the result page.
import { call } from "./api.js";
import { confirmDialog, toast } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { buildFrame } from "./frame.js";
import { createCard } from "./practise_card.js";
import { createClock } from "./practise_clock.js";
import { createGrid } from "./practise_grid.js";
import { createItems } from "./practise_items.js";
import { drawResults } from "./practise_results.js";
import { listenToKeys, shortcutHelp } from "./shortcuts.js";

// With the path: Gradio's <base> would turn a bare "#3" into "/#3", the other page.
const remember = (place) => history.replaceState(null, "", `${location.pathname}#${place}`);

// A double click on "Commit" must not press the "Next" that takes its place.
const SETTLE_MS = 400;

export function start(root) {
  document.title = "Practise · LlamaCare";
  const frame = buildFrame(root, { page: "practise", title: "Practise", sideLabel: "Questions" });
  const stage = h("div", { class: "practise-stage column" });
  fill(frame.main, stage);
  const items = createItems();
  const clock = createClock();
  const help = shortcutHelp();
  let round = null;
  let shown = null;
  let settled = 0;

  const grid = createGrid(frame.side, {
    onOpen: (id) => { frame.closeSide(); open(id); },
    onResults: () => { frame.closeSide(); results(); },
    onNewRound: newRound,
    onHelp: help.open,
  });
  const card = createCard({ choose, strike, setConfidence, commit, hint, flag, next: forward, previous: () => step(-1), results });

  const entry = (id) => round.items.find((item) => item.id === id);
  const index = () => round.items.findIndex((item) => item.id === shown?.item.id);
  const neighbour = (by) => round.items[index() + by]?.id;

  async function open(id, { focus = false } = {}) {
    clock.pause();
    let work;
    try {
      work = await items.get(id);
    } catch (error) {
      return problem(error.message, () => open(id, { focus }));
    }
    shown = work;
    remember(work.item.number);
    if (stage.firstChild !== card.element) fill(stage, card.element);
    draw();
    window.scrollTo(0, 0);
    frame.main.scrollTop = 0;
    clock.run(work, card.time);
    if (focus) card.focusOption();
    if (work.item.attempt) read(work);
    for (const by of [1, -1]) if (neighbour(by)) items.get(neighbour(by)).catch(() => {});
  }

  function draw() {
    card.draw(shown, { first: index() === 0, last: index() === round.items.length - 1, total: round.items.length });
    grid.draw(round, shown?.item.id);
  }

  function problem(sentence, again) {
    fill(stage, h("div", { class: "notice", role: "alert", data: { testid: "notice" } }, h("p", { text: sentence }),
      h("button", { type: "button", class: "button small", text: "Try again", on: { click: again } })));
  }

  const undecided = () => shown && !shown.item.attempt && !shown.committing;

  function choose(letter) {
    if (!undecided() || !(letter in shown.item.options)) return;
    shown.struck.delete(letter);
    shown.chosen = letter;
    draw();
    card.focusOption();
  }

  function strike(letter) {
    if (!undecided() || !letter) return;
    if (!shown.struck.delete(letter)) {
      shown.struck.add(letter);
      if (shown.chosen === letter) shown.chosen = null;
    }
    draw();
  }

  function setConfidence(value) {
    if (!undecided()) return;
    shown.confidence = value;
    draw();
  }

  async function hint() {
    const work = shown;
    if (!undecided() || work.hinting || work.hints.length >= work.item.hints_total) return;
    work.hinting = true;
    try {
      const { hint: text } = await call("GET", `/api/practise/items/${encodeURIComponent(work.item.id)}/hints/${work.hints.length + 1}`);
      work.hints.push(text);
    } catch (error) {
      toast(error.message, { error: true });
    }
    work.hinting = false;
    if (work === shown) draw();
  }

  async function commit() {
    const work = shown;
    if (!undecided() || work.chosen === null) return;
    clock.pause();
    work.committing = true;
    work.failure = "";
    draw();
    try {
      work.item.attempt = await call("POST", `/api/practise/items/${encodeURIComponent(work.item.id)}/attempt`, {
        round: round.round, chosen: work.chosen, confidence: work.confidence, seconds: work.elapsed / 1000, struck: [...work.struck], hints: work.hints.length,
      });
      settled = performance.now();
      Object.assign(entry(work.item.id), { chosen: work.item.attempt.chosen, correct: work.item.attempt.correct });
      read(work);
    } catch (error) {
      work.failure = error.message;
    }
    work.committing = false;
    if (work !== shown) return grid.draw(round, shown?.item.id);
    draw();
    if (work.item.attempt) return card.focusVerdict();
    return clock.run(work, card.time);
  }

  /** The model's reading of a committed item; each item is asked for once, a failed one again when it is reopened. */
  async function read(work) {
    if (work.readout || work.reading) return;
    work.reading = true;
    work.readFailure = "";
    if (work === shown) draw();
    try {
      work.readout = await call("GET", `/api/practise/items/${encodeURIComponent(work.item.id)}/probabilities`);
    } catch (error) {
      work.readFailure = error.message;
    }
    work.reading = false;
    if (work === shown) card.drawReadout(work);
  }

  async function flag() {
    const work = shown;
    if (!work) return;
    const flagged = !work.item.flagged;
    const set = (value) => {
      work.item.flagged = entry(work.item.id).flagged = value;
      draw();
    };
    set(flagged);
    try {
      await call("PUT", `/api/practise/items/${encodeURIComponent(work.item.id)}/flag`, { flagged });
    } catch (error) {
      set(!flagged);
      toast(error.message, { error: true });
    }
  }

  function step(by, options) {
    const id = shown ? neighbour(by) : round?.current;
    if (id) open(id, options);
    else if (by > 0) results();
  }

  function forward() {
    if (performance.now() - settled > SETTLE_MS) step(1, { focus: true });
  }

  async function results() {
    clock.pause();
    try {
      const figures = await call("GET", "/api/practise/results");
      const back = shown?.item.id ?? round.current;
      fill(stage, drawResults(figures, { onBack: () => open(back), onNewRound: newRound }));
      stage.querySelector("h2").focus();
      shown = null;
      remember("results");
      grid.draw(round, null);
    } catch (error) {
      toast(error.message, { error: true });
    }
  }

  async function newRound() {
    const yes = await confirmDialog({ heading: "Start a new round?", text: "All questions become unanswered and come in a new order. Your earlier attempts stay stored.", yes: "Start a new round" });
    if (!yes) return;
    try {
      round = await call("POST", "/api/practise/round");
    } catch (error) {
      toast(error.message, { error: true });
      return;
    }
    items.forget();
    frame.closeSide();
    shown = null;
    await open(round.current);
  }

  function enter() {
    if (undecided()) commit();
    else if (shown?.item.attempt) forward();
  }

  listenToKeys({
    letter: choose,
    confidence: setConfidence,
    arrow: (by) => { if (undecided()) choose(card.beside(shown, by)); },
    enter,
    strike: () => strike(card.focusedLetter() ?? shown?.chosen),
    hint, flag, results,
    next: () => step(1), previous: () => step(-1),
    grid: () => grid.focus(),
    help: help.open,
  });

  async function begin() {
    try {
      round = await call("GET", "/api/practise/round");
    } catch (error) {
      return problem(error.message, begin);
    }
    grid.draw(round, null);
    if (location.hash === "#results") return results();
    const asked = round.items.find((item) => `#${item.number}` === location.hash);
    return open(asked?.id ?? round.current);
  }
  begin();
}
