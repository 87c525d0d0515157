// What a thinking model writes before its answer: open while it comes, folded once the answer begins, unless the reader
// has chosen otherwise. Plain text. Knows nothing of answers.
import { h, icon, thousands } from "./dom.js";

const NEAR_END_PX = 24;

export class Reasoning {
  #name = h("span", { class: "reasoning-name" });
  #count = h("span", { class: "reasoning-count" });
  #words = document.createTextNode("");
  #text = h("div", {
    class: "reasoning-text", tabindex: "0", role: "region", "aria-label": "The model\u2019s reasoning",
    data: { testid: "reasoning-text" },
  }, this.#words);
  #chosen = false;
  element = h("details", { class: "reasoning", hidden: true, data: { testid: "reasoning" } },
    h("summary", { data: { testid: "reasoning-toggle" }, on: { click: () => { this.#chosen = true; } } },
      icon("next"), this.#name, h("span", { class: "pulse", "aria-hidden": "true" }), this.#count),
    this.#text);

  /** The whole of it so far, while it comes. */
  grow(text) {
    this.#show(text);
    this.#name.textContent = "Thinking\u2026";
    this.element.classList.add("thinking");
    if (!this.#chosen) this.element.open = true;
  }

  /** It is complete; `answered`: an answer follows, so that it may be folded. */
  complete(text, answered) {
    this.#show(text);
    this.#name.textContent = "Reasoning";
    const justNow = this.element.classList.contains("thinking");
    this.element.classList.remove("thinking");
    if (this.#chosen) return;
    if (justNow) this.#text.scrollTop = 0; // to be read from its beginning when it is opened
    this.element.open = !answered;
  }

  get text() {
    return this.#words.data;
  }

  #show(text) {
    const { scrollHeight, scrollTop, clientHeight } = this.#text;
    const following = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    // Appending leaves a selection in the text before as it is.
    if (text.startsWith(this.text)) this.#words.appendData(text.slice(this.text.length));
    else this.#words.data = text;
    const count = text.trim().split(/\s+/).length;
    this.#count.textContent = count === 1 ? "1 word" : `${thousands(count)} words`;
    this.element.hidden = text === "";
    if (following) this.#text.scrollTop = this.#text.scrollHeight;
  }
}
