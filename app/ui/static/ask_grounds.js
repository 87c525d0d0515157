// What an answer stands on, drawn around its text: above it the sources and the short answer, below it the assumptions and
// what could be asked next. Empty for an answer without grounds. Knows nothing of the text between.
import { Assumptions } from "./ask_assumptions.js";
import { drawShort } from "./ask_short.js";
import { drawSources } from "./ask_sources.js";
import { fill, h } from "./dom.js";

const NONE = {
  found: true, sentence: "", passages: [], short: [], prose: "open", prose_why: "", template: "", assumptions: {}, expanded: [],
  draft_html: "", draft_text: "", claims: [], judged_by: "", removed: 0, followups: [], erased: false,
};

/** The grounds of a message, or of the event that comes before its text, with every field; null where it has none. */
export const groundsOf = ({ grounds }) => (grounds ? { ...NONE, ...grounds } : null);

export class Grounds {
  #handlers;
  #shown = new Map(); // what each part was last drawn from
  #sources = h("section", { class: "sources", "aria-label": "Sources", data: { testid: "sources" } });
  #short = h("section", { class: "short-answer", "aria-label": "Short answer", data: { testid: "short" } });
  #assumptions;
  #followups = h("div", { class: "followups", role: "group", "aria-label": "Ask next", data: { testid: "followups" } });
  #template = "";
  head = h("div", { class: "answer-head" });
  tail = h("div", { class: "answer-tail" });

  /** `handlers`: shapes, assume(template, values), follow(text). */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** Draw what is known. A part that has not changed is left alone, with the focus in it. */
  show(grounds) {
    if (!this.head.hasChildNodes()) this.#lay();
    const { found, sentence, passages, expanded, erased, short, template, assumptions, followups } = grounds;
    this.#template = template;
    this.#redraw(this.#sources, { found, sentence, passages, expanded, erased }, drawSources);
    this.#redraw(this.#short, { short, passages }, drawShort);
    this.#redraw(this.#followups, { followups }, (element) => this.#drawFollowups(element, followups));
    this.#assumptions.show(assumptions);
  }

  #lay() {
    this.#assumptions = new Assumptions(this.#handlers.shapes, (values) => this.#handlers.assume(this.#template, values));
    fill(this.head, this.#sources, this.#short);
    fill(this.tail, this.#assumptions.element, this.#followups);
  }

  #redraw(element, from, draw) {
    const key = JSON.stringify(from);
    if (this.#shown.get(element) === key) return;
    this.#shown.set(element, key);
    draw(element, from);
  }

  #drawFollowups(element, followups) {
    fill(element, followups.map((text) => h("button", {
      type: "button", class: "followup", text, data: { testid: "followup" }, on: { click: () => this.#handlers.follow(text) },
    })));
  }
}
