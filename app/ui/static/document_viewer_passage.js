// One passage of a document: its section and page where they change, its text, and what is marked in the one asked for.
import { fill, h } from "./dom.js";
import { marked } from "./spans.js";

export class PassageElement {
  #passage;
  #asked;
  #section;
  #page;
  #text;
  #head;
  element;

  /** `asked`: {marks, quote, number} where this is the passage that was asked for, else null. */
  constructor(passage, { total, asked }) {
    this.#passage = passage;
    this.#asked = asked;
    this.#section = h("h3", { class: "passage-section", text: passage.section });
    this.#page = h("p", { class: "passage-page", text: passage.page === null ? "" : `Page ${passage.page}` });
    this.#head = h("div", { class: "passage-head" }, this.#section, this.#page);
    this.#text = h("p", { class: "passage-text" });
    fill(this.#text, asked ? marked(passage.text, asked.marks, { quote: asked.quote }) : passage.text);
    this.element = h("div", {
      class: asked ? "passage asked" : "passage", tabindex: "-1", role: "group",
      data: { testid: asked ? "passage-asked" : "passage", passage: passage.id },
    }, this.#head, asked ? h("p", { class: "passage-mark", text: this.#label() }) : null, this.#text);
    this.count(total);
    this.follow(undefined);
  }

  get id() {
    return this.#passage.id;
  }

  /** How it is read out. */
  get name() {
    return this.element.getAttribute("aria-label");
  }

  count(total) {
    this.element.setAttribute("aria-label", `Passage ${this.#passage.place + 1} of ${total}`);
  }

  /** Show section and page where they are not those of the passage before. */
  follow(before) {
    const last = before ? before.#passage : { section: "", page: null };
    this.#section.hidden = this.#passage.section === last.section || !this.#passage.section;
    this.#page.hidden = this.#passage.page === last.page || this.#passage.page === null;
    this.#head.hidden = this.#section.hidden && this.#page.hidden;
  }

  focus() {
    this.element.focus({ preventScroll: false });
  }

  /** What is to be in view: the quotation, else the first marked word, else the passage. */
  target() {
    return this.#text.querySelector(".quoted") ?? this.#text.querySelector("mark") ?? this.element;
  }

  #label() {
    const { number, quote } = this.#asked;
    const what = quote && quote[1] > quote[0] ? "The quoted words are set off" : "The passage asked for";
    return number ? `${what} (citation ${number})` : what;
  }
}
