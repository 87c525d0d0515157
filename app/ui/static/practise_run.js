// One session on the page: which of its questions is open, and what stands in a question's place while it is paused or
// between its blocks. practise_session asks the server, practise_question holds the open question. Draws nothing itself.
import { toast } from "./dialogs.js";
import { fill } from "./dom.js";
import { blockPanel, pausePanel, problemPanel } from "./practise_breaks.js";
import { Deadline } from "./practise_deadline.js";
import { Head } from "./practise_head.js";
import { Items, sameWork } from "./practise_items.js";
import { Moves } from "./practise_moves.js";
import { OpenQuestion } from "./practise_question.js";

export class Run {
  question = new OpenQuestion({
    changed: (work) => this.#changed(work), refused: () => this.#sync(), next: () => this.step(1), previous: () => this.step(-1),
  });
  head;
  #session = null;
  #items = null;
  #position = null;
  #asked = 0; // counts what was asked for, so that a slow question never replaces a later one
  #deadline = new Deadline({ onZero: () => this.#timeUp() });
  #moves = new Moves({
    session: () => this.#session, hold: () => this.question.hold(), goOn: () => this.question.goOn(),
    took: (before) => this.#took(before), sync: () => this.#sync(), toGrid: (position) => this.#page.toGrid(position),
  });
  #page;

  /** `page`: {stage, main, grid, view, remember(sessionId, position), results(sessionId), toGrid(position)}. */
  constructor(page) {
    this.#page = page;
    this.head = new Head(this.#deadline, page.view, {
      pause: this.#moves.pause, close: () => this.#moves.closeBlock(), end: () => this.#moves.end(),
      results: () => page.results(this.id),
    });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#sync({ fresh: true }); });
  }

  get id() {
    return this.#session?.data.id ?? null;
  }

  /** Show `session` at `position`, or where it stands. */
  enter(session, position = null, { focus = true } = {}) {
    if (this.#session) this.leave();
    this.#session = session;
    this.#items = new Items(session.data.id);
    const entry = session.entry(position);
    this.#position = entry && (entry.reachable || !session.inView) ? position : session.data.current;
    document.title = `${session.data.title} · LlamaCare`;
    return this.#show({ focus });
  }

  /** Off the page: the clock stops and the time is kept. */
  leave() {
    this.#asked += 1;
    this.question.leave();
    this.#deadline.stop();
    this.#session = null;
  }

  /** What its state asks for: a question, or what stands in its place. */
  #show(options) {
    this.#deadline.run(this.#session);
    if (this.#session.inView) return this.open(this.#position, options);
    this.#asked += 1;
    this.question.leave();
    const { state } = this.#session.data;
    this.#page.remember(this.id, this.#position);
    fill(this.#page.stage, state === "paused" ? pausePanel(this.#session, { resume: this.#moves.resume })
      : blockPanel(this.#session, { start: () => this.#startBlock(), end: () => this.#moves.end() }));
    this.#drawAround();
    this.#page.stage.querySelector(state === "paused" ? "button" : "h2").focus();
    return undefined;
  }

  async open(position, { focus = true } = {}) {
    if (!this.#session?.entry(position)?.reachable) return;
    const mine = ++this.#asked;
    this.question.leave();
    let work;
    try {
      work = await this.#items.get(position);
    } catch (error) {
      if (mine === this.#asked) fill(this.#page.stage, problemPanel(error.message, () => this.open(position, { focus })));
      return;
    }
    if (mine !== this.#asked) return;
    this.#position = position;
    this.#page.remember(this.id, position);
    const { card } = this.question;
    if (this.#page.stage.firstChild !== card.element) fill(this.#page.stage, card.element);
    this.question.show(work, this.#place());
    this.#drawAround();
    if (focus) this.question.focus();
    this.#page.main.scrollTop = 0;
    for (const by of [1, -1]) {
      const beside = this.#session.beside(position, by);
      if (beside) this.#items.get(beside).catch(() => {});
    }
  }

  step(by) {
    if (!this.question.work) return;
    const beside = this.#session.beside(this.#position, by);
    if (beside) this.open(beside);
    else if (by > 0) this.#afterLast();
  }

  /** Past the last question: to the results, to a closed block, or to the end. */
  #afterLast() {
    const { state, mode } = this.#session.data;
    if (state === "ended") this.#page.results(this.id);
    else if (mode === "exam") this.#moves.closeBlock({ last: true });
    else this.#moves.end({ last: true });
  }

  #startBlock() {
    const { next_block: number, blocks } = this.#session.data;
    this.#position = blocks[number - 1].first;
    this.#moves.startBlock(number);
  }

  /** The deadline has passed here: hear what the server says of it. */
  async #timeUp() {
    const session = this.#session;
    const { block } = session.data;
    await this.#sync();
    if (session.data.state === "ended") toast("Time is up: the session has ended.");
    else if (session.data.block !== block) toast(`Time is up: block ${block} is closed.`);
  }

  /** Hear how the session stands now; with `fresh` also how its questions do, which another tab may have answered. */
  async #sync({ fresh = false } = {}) {
    const session = this.#session;
    if (!session) return;
    const before = session.data;
    try {
      await session.refresh();
    } catch {
      return; // The next call tells that the server does not answer.
    }
    if (session !== this.#session) return;
    if (fresh) this.#items.forget(this.#position);
    this.#took(before);
    const { work } = this.question;
    const decided = ["right", "wrong"].includes(session.entry(this.#position).state);
    if (session === this.#session && work && (fresh || (decided && !work.item.attempt))) await this.#reload(work);
  }

  /** The open question as the server has it now, if that is not what is shown. */
  async #reload(work) {
    const fresh = await this.#items.fetch(work.item.position).catch(() => null);
    if (!fresh || work !== this.question.work || work.committing || sameWork(fresh, work)) return;
    this.#items.replace(work.item.position, fresh);
    this.question.show(fresh, this.#place());
    if (!document.activeElement || document.activeElement === document.body) this.question.focus();
  }

  #took(before) {
    const { data } = this.#session;
    if (data.state !== before.state || data.block !== before.block) {
      this.question.close();
      this.#items.forget();
      if (data.state === "ended") return this.#page.results(this.id);
      if (!this.#session.entry(this.#position).reachable) this.#position = data.current;
      return this.#show();
    }
    this.#deadline.run(this.#session);
    if (this.question.work) this.question.place(this.#place());
    return this.#drawAround();
  }

  /** Its line in the session, which the grid shows. */
  #changed(work) {
    if (work.item.session !== this.id) return;
    const { data } = this.#session;
    const entry = this.#session.entry(work.item.position);
    const graded = work.item.attempt;
    if (graded) entry.state = graded.chosen === null ? "omitted" : graded.correct ? "right" : "wrong";
    else if (data.mode !== "tutor" && data.state === "open") entry.state = work.chosen === null ? "open" : "answered";
    this.#drawAround();
  }

  #place() {
    const beside = (by) => this.#session.beside(this.#position, by) === undefined;
    const { data } = this.#session;
    return {
      first: beside(-1), last: beside(1), total: data.items.length, session: data, entry: this.#session.entry(this.#position),
    };
  }

  #drawAround() {
    const { data, inView } = this.#session;
    this.head.draw(data);
    this.#page.grid.draw(data, this.question.work?.item.position ?? null, { hidden: !inView });
  }
}
