// What a model wrote that has not earned prose: folded below the short answer, marked, growing as it comes. Holds the
// answer's text while it is folded. Knows nothing of how the text is drawn.
import { fill, h, icon, thousands } from "./dom.js";

const NAME = "What the model wrote (not measured to be reliable)";
const WHY = "Not checked by anyone, and this model was not measured to be reliable. Rely on the sentences above and their sources.";

export class Draft {
  #count = h("span", { class: "draft-count" });
  #why = h("p", { class: "draft-why", text: WHY });
  #inside = h("div", { class: "draft-inside" });
  element;

  /** `settings`: AskSettings; it remembers whether the reader keeps drafts open. */
  constructor(settings) {
    const summary = h("summary", {
      data: { testid: "draft-toggle" }, on: { click: () => settings.set("draft", !this.element.open) },
    }, icon("next"), h("span", { class: "draft-name", text: NAME }),
    h("span", { class: "pulse", "aria-hidden": "true" }), this.#count);
    this.element = h("details", { class: "draft", open: settings.get("draft"), data: { testid: "draft" } },
      summary, this.#why, this.#inside);
  }

  hold(elements) {
    fill(this.#inside, elements);
  }

  /** While it is `growing`, and how much there is of `text`; `why`: the server's reason for folding it. */
  say(text, { growing, why = "" }) {
    const count = text.trim() ? text.trim().split(/\s+/).length : 0;
    const words = count === 1 ? "1 word" : `${thousands(count)} words`;
    this.#count.textContent = count === 0 ? "" : words;
    this.element.classList.toggle("growing", growing);
    if (why) this.#why.textContent = why;
  }
}
