// A document in a dialog, opened at one of its passages, with its words marked and the quoted sentence set off. What comes
// before and after is fetched as one scrolls to it. Used by every page that cites; knows nothing of why a passage is cited.
import { call } from "./api.js";
import { button, fill, h, lessMotion } from "./dom.js";
import { documentHead } from "./document_viewer_head.js";
import { PassageElement } from "./document_viewer_passage.js";

const AT_ONCE = 24; // passages fetched at a time
const NEAR_PX = 200; // how near to an end the rest is fetched

class DocumentViewer {
  #asked;
  #items = []; // PassageElements, in the document's order
  #start = 0; // place of the first
  #total = 0;
  #fetching = false;
  #head = h("div", { class: "viewer-head" });
  #list = h("div", { class: "viewer-passages" });
  #note = h("p", { class: "sr-only", role: "status" });
  #problem = h("div");
  #earlier = button("Earlier passages", { icon: "prev", kind: "small", testid: "viewer-earlier", hidden: true });
  #later = button("Later passages", { icon: "next", kind: "small trailing", testid: "viewer-later", hidden: true });
  #text = h("div", {
    class: "viewer-text", tabindex: "0", role: "region", "aria-label": "Text of the document", data: { testid: "viewer-text" },
  }, this.#problem, this.#earlier, this.#list, this.#later);
  #close = button("Close", { icon: "close", kind: "quiet", testid: "viewer-close", on: () => this.close() });
  element = h("dialog", {
    class: "dialog viewer", "aria-label": "Document", data: { testid: "viewer" },
  }, h("div", { class: "viewer-frame" }, this.#head, this.#close), this.#note, this.#text);
  closed;

  constructor(asked) {
    this.#asked = asked;
    this.#earlier.addEventListener("click", () => this.#more(-1, { focus: true }));
    this.#later.addEventListener("click", () => this.#more(1, { focus: true }));
    this.#text.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.element.addEventListener("click", (event) => { if (event.target === this.element) this.close(); });
    this.closed = new Promise((resolve) => {
      this.element.addEventListener("close", () => { this.element.remove(); resolve(); });
    });
  }

  show() {
    document.querySelector(".lc").append(this.element);
    this.element.showModal();
    this.#close.focus();
    this.#open();
  }

  close() {
    if (this.element.open) this.element.close();
  }

  // Fetching

  #path(query) {
    return `/api/library/documents/${encodeURIComponent(this.#asked.document)}/passages?${new URLSearchParams(query)}`;
  }

  async #open() {
    const { passage } = this.#asked;
    this.#note.textContent = "Opening the document…";
    try {
      const found = await call("GET", this.#path({ count: AT_ONCE, ...(passage ? { around: passage } : { start: 0 }) }));
      this.#show(found);
    } catch (error) {
      this.#fail(error.message, () => this.#open());
    }
  }

  async #more(way, { focus = false } = {}) {
    if (this.#fetching) return;
    const start = way < 0 ? Math.max(0, this.#start - AT_ONCE) : this.#start + this.#items.length;
    const count = way < 0 ? this.#start - start : Math.min(AT_ONCE, this.#total - start);
    if (count <= 0) return;
    this.#fetching = true;
    try {
      const found = await call("GET", this.#path({ start, count }));
      fill(this.#problem);
      if (way < 0) this.#prepend(found);
      else this.#append(found.passages);
      this.#settle(found.total);
      if (focus) (way < 0 ? this.#items[found.passages.length - 1] : this.#items.at(-found.passages.length))?.focus();
    } catch (error) {
      this.#fail(error.message, () => this.#more(way, { focus: true }));
    } finally {
      this.#fetching = false;
    }
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#text;
    if (scrollTop < NEAR_PX && this.#start > 0) this.#more(-1);
    else if (scrollTop + clientHeight > scrollHeight - NEAR_PX) this.#more(1);
  }

  // Drawing

  #show(found) {
    fill(this.#problem);
    fill(this.#head, documentHead(found.document, this.#asked));
    this.element.removeAttribute("aria-label");
    this.element.setAttribute("aria-labelledby", "viewer-heading");
    this.#start = found.start;
    this.#append(found.passages);
    this.#settle(found.total);
    const asked = this.#items.find((item) => item.id === this.#asked.passage);
    this.#note.textContent = asked ? asked.name : "";
    if (!asked) {
      this.#text.focus();
      return;
    }
    asked.focus();
    asked.target().scrollIntoView({ block: "center", behavior: "auto" });
  }

  #made(passage) {
    const asked = passage.id === this.#asked.passage ? this.#asked : null;
    return new PassageElement(passage, { total: this.#total, asked });
  }

  #append(passages) {
    for (const passage of passages) {
      const item = this.#made(passage);
      item.follow(this.#items.at(-1));
      this.#items.push(item);
      this.#list.append(item.element);
    }
  }

  /** Put `passages` before the others, and keep in view what is in view. */
  #prepend({ start, passages }) {
    const { scrollHeight, scrollTop } = this.#text;
    const items = passages.map((passage) => this.#made(passage));
    items.forEach((item, place) => item.follow(items[place - 1]));
    this.#items[0]?.follow(items.at(-1));
    this.#items.unshift(...items);
    this.#list.prepend(...items.map((item) => item.element));
    this.#start = start;
    this.#text.scrollTop = scrollTop + this.#text.scrollHeight - scrollHeight;
  }

  #settle(total) {
    this.#total = total;
    this.#earlier.hidden = this.#start === 0;
    this.#later.hidden = this.#start + this.#items.length >= total;
    for (const item of this.#items) item.count(total);
  }

  #fail(sentence, again) {
    this.#note.textContent = "";
    fill(this.#problem, h("div", { class: "notice", role: "alert", data: { testid: "viewer-problem" } },
      h("p", { text: sentence }), button("Try again", { kind: "small", on: again })));
    this.#text.scrollTo({ top: 0, behavior: lessMotion() ? "auto" : "smooth" });
  }
}

/**
 * Open a document over the page. `document`: its id; `passage`: the id of the passage to open it at (its beginning without);
 * `marks`, `quote`: places in that passage's text, in code points; `number`: of the citation. `here`: this is the library, so
 * no way there is offered. Returns {close(), closed: a promise}; the focus goes back to where it was.
 */
export function openPassage({ document: id, passage = null, marks = [], quote = null, number = 0, here = false }) {
  const viewer = new DocumentViewer({ document: id, passage: passage === null ? null : Number(passage), marks, quote, number, here });
  viewer.show();
  return { close: () => viewer.close(), closed: viewer.closed };
}
