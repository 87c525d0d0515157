// A file on its way: how much of it is sent, that the server reads it, and the way to stop. And the sentence in place where
// something was refused.
import { button, fill, h } from "./dom.js";

export class Sending {
  #bar = h("progress", { max: "1", value: "0", "aria-label": "Sent", data: { testid: "import-progress" } });
  #words = h("p", { role: "status" });
  #controller = new AbortController();
  element;

  constructor(cancel, testid) {
    this.element = h("div", { class: "own-progress" }, this.#bar, this.#words, button("Cancel", {
      icon: "stop", kind: "small", testid, on: () => { this.#controller.abort(); cancel(); },
    }));
    this.#words.textContent = "Sending…";
  }

  get signal() {
    return this.#controller.signal;
  }

  stop() {
    this.#controller.abort();
  }

  focus() {
    this.element.querySelector("button").focus();
  }

  show(share) {
    this.#bar.value = share;
    if (share < 1) return;
    this.#bar.removeAttribute("value"); // nobody knows how long the reading takes
    this.#words.textContent = "Sent. LlamaCare is reading it…";
  }
}

/** Put a refusal's sentence into `place`. */
export function showProblem(place, sentence) {
  fill(place, h("div", { class: "notice", role: "alert", data: { testid: "notice" } }, h("p", { text: sentence })));
}
