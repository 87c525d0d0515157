// The line above a session's question: mode, remaining time, pace, and the ways to pause, to close a block, to end. Draws
// what it is given; the moves are the caller's.
import { button, capital, fill, h } from "./dom.js";

function name({ mode, state, block, blocks, next_block: next }) {
  const words = [capital(mode)];
  if (mode === "exam" && state !== "ended") words.push(`block ${block ?? next} of ${blocks.length}`);
  if (state === "paused") words.push("paused");
  if (state === "ended") words.push("ended");
  return words.join(" · ");
}

export class Head {
  #deadline;
  #actions;
  #name = h("p", { class: "session-name", data: { testid: "session-state" } });
  #moves = h("div", { class: "session-moves" });
  element;

  /** `actions`: pause, close, end, results. */
  constructor(deadline, view, actions) {
    this.#deadline = deadline;
    this.#actions = actions;
    this.element = h("div", { class: "session-head", role: "group", "aria-label": "Session" },
      h("div", { class: "session-row" }, this.#name, deadline.remaining, deadline.pace,
        h("div", { class: "session-controls" }, this.#moves, view.element)),
      deadline.spoken);
  }

  draw(data) {
    this.#name.textContent = name(data);
    Object.assign(this.#name.dataset, { state: data.state, mode: data.mode, block: data.block ?? "" });
    const held = this.#moves.contains(document.activeElement) ? document.activeElement.dataset.testid : null;
    fill(this.#moves, this.#buttons(data));
    if (held) this.#moves.querySelector(`[data-testid="${held}"]`)?.focus();
    this.#deadline.draw();
  }

  #buttons({ mode, state, pausable }) {
    const { pause, close, end, results } = this.#actions;
    const small = (text, testid, on) => button(text, { kind: "small", testid, on });
    if (state === "ended") return [small("Results", "session-results", results)];
    return [
      pausable && state === "open" ? small("Pause", "pause", pause) : null,
      mode === "exam" && state === "open" ? small("Close block", "block-close", close) : null,
      small("End", "end-session", end),
    ];
  }
}
