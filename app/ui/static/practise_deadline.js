// What is left of a block's time and how far the learner is against the clock. The server keeps the deadline; here it is
// counted down between its answers. Knows nothing of what happens at the end.
import { fill, h } from "./dom.js";
import { clockText } from "./practise_clock.js";

const STEP_MS = 250;
const SPOKEN_S = [600, 300, 60];
const AGAIN_MS = 1000; // between two questions to a server whose clock says that the block still runs

const items = (count) => `${count} ${count === 1 ? "item" : "items"}`;

/** "2 items behind the pace", from what Session.pace() gives. */
export function paceWords({ done, due }) {
  if (done === due) return "on pace";
  return done > due ? `${items(done - due)} ahead of the pace` : `${items(due - done)} behind the pace`;
}

export class Deadline {
  #face = h("span", { class: "remaining-face" });
  #words = h("span");
  #bar = h("span", { class: "pace-bar", "aria-hidden": "true" }, h("span", { class: "pace-done" }), h("span", { class: "pace-due" }));
  remaining = h("p", { class: "remaining", role: "timer", data: { testid: "remaining" } },
    h("span", { class: "sr-only", text: "Time left in this block " }), this.#face);
  pace = h("p", { class: "pace-line", data: { testid: "pace-line" } }, this.#words, this.#bar);
  /** What a screen reader says at a few moments. */
  spoken = h("p", { class: "sr-only", "aria-live": "polite", data: { testid: "time-spoken" } });
  #session = null;
  #block = null;
  #last = Infinity; // seconds left when last looked at, of the same block
  #timer = 0;
  #zeroAt = 0;
  #onZero;

  /** `onZero` is called when the time is up, and again each second until another session or state is run. */
  constructor({ onZero }) {
    this.#onZero = onZero;
  }

  /** Count down what the session's block has left; hidden without a limit. */
  run(session) {
    this.stop();
    const left = session.secondsLeft();
    const block = session.block?.number;
    if (session !== this.#session || block !== this.#block) this.#last = left ?? Infinity;
    this.#session = session;
    this.#block = block;
    const limited = left !== null;
    this.remaining.hidden = this.pace.hidden = !limited;
    if (!limited) return;
    this.draw();
    if (session.block.state === "running") this.#timer = setInterval(() => this.#tick(), STEP_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
  }

  draw() {
    const left = this.#session?.secondsLeft() ?? null;
    if (left === null) return;
    const { done, due, total } = this.#session.pace();
    const behind = due - done;
    this.#face.textContent = clockText(1000 * Math.ceil(left));
    this.remaining.classList.toggle("short", left <= SPOKEN_S[1]);
    this.pace.dataset.behind = behind;
    this.#words.textContent = paceWords({ done, due });
    this.pace.title = `${done} of ${total} answered; at ${this.#session.data.pace} s an item ${due} would be done by now`;
    this.#bar.firstChild.style.width = `${(100 * done) / total}%`;
    this.#bar.lastChild.style.insetInlineStart = `${(100 * due) / total}%`;
  }

  #tick() {
    const left = this.#session.secondsLeft();
    this.draw();
    const passed = SPOKEN_S.find((seconds) => left <= seconds && seconds < this.#last);
    if (passed) fill(this.spoken, `${passed / 60} ${passed === 60 ? "minute" : "minutes"} left in this block`);
    this.#last = left;
    if (left > 0 || performance.now() - this.#zeroAt < AGAIN_MS) return;
    this.#zeroAt = performance.now();
    this.#onZero();
  }
}
