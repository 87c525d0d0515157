// Searching in the text of the documents: passages with the words that were found marked; each opens its document there.
import { call } from "./api.js";
import { h } from "./dom.js";
import { addressOf, whose } from "./document_viewer_head.js";
import { redraw } from "./library_redraw.js";
import { marked } from "./spans.js";

const DELAY_MS = 250;
const SHOWN = 10;
const SCOPES = [["all", "All documents"], ["own", "Yours"], ["shared", "Shared and samples"]];
const FAR = "No passage answers this well. These come nearest.";
const NONE = "No passage has words of this. Try fewer or other words.";

/** Where a passage stands in its document: "Heading › Subheading · page 3". */
const where = ({ section, page }) => [section, page === null ? "" : `page ${page}`].filter(Boolean).join(" · ");

export class TextSearch {
  #page;
  #timer = 0;
  #asked = 0; // counts what was asked, so that a slow answer never takes the place of a later one
  #field = h("input", {
    type: "search", class: "search", id: "library-search", placeholder: "Words, a name or a question", autocomplete: "off",
    maxlength: "1000", data: { testid: "library-search" }, on: { input: () => this.#typed() },
  });
  #scope = h("select", {
    class: "chooser", "aria-label": "Where to search", data: { testid: "library-scope" }, on: { change: () => this.#search() },
  }, SCOPES.map(([value, text]) => h("option", { value, text })));
  #said = h("p", { class: "library-note", role: "status", data: { testid: "search-said" } });
  #list = h("ol", { class: "found-list" });
  element = h("section", { class: "library-section", "aria-labelledby": "library-find" },
    h("h2", { id: "library-find" }, h("label", { for: "library-search", text: "Search titles and text" })),
    h("form", { class: "library-search", role: "search", on: { submit: (event) => this.#submit(event) } },
      this.#field, this.#scope),
    this.#said, this.#list);

  /** page.searched(words): list the documents with these words in the title; page.open(passage): open it. */
  constructor(page) {
    this.#page = page;
  }

  get words() {
    return this.#field.value.trim();
  }

  /** Search once more: what is in the library has changed. */
  refresh() {
    if (this.words) this.#search();
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#search(), DELAY_MS);
  }

  #submit(event) {
    event.preventDefault();
    clearTimeout(this.#timer);
    this.#search();
  }

  async #search() {
    const mine = ++this.#asked;
    const { words } = this;
    this.#page.searched(words);
    if (!words) return this.#show("", []);
    try {
      const query = new URLSearchParams({ q: words, scope: this.#scope.value, count: SHOWN });
      const found = await call("GET", `/api/library/search?${query}`);
      if (mine === this.#asked) this.#found(found);
    } catch (error) {
      if (mine === this.#asked) this.#show(error.message, []);
    }
  }

  #found({ passages, relevant, expanded }) {
    const count = `${passages.length === SHOWN ? "The best " : ""}${passages.length} ${passages.length === 1 ? "passage" : "passages"}.`;
    const said = !passages.length ? NONE : relevant ? count : FAR;
    const also = expanded.length ? ` Also searched: ${expanded.join("; ")}.` : "";
    this.#show(said + also, passages);
  }

  #show(said, passages) {
    this.#said.textContent = said;
    redraw(this.#list, passages.map((passage) => this.#row(passage)));
  }

  #row(passage) {
    const place = where(passage);
    return h("li", { class: "found", data: { testid: "found", id: passage.id } },
      h("a", {
        class: "found-title", href: addressOf(passage.document, passage.id), data: { testid: "found-open" },
        on: { click: (event) => this.#opened(event, passage) },
      }, passage.title),
      h("span", { class: "tag", text: whose(passage) }),
      place ? h("p", { class: "found-where", text: place }) : null,
      h("p", { class: "found-text" }, marked(passage.text, passage.marks)));
  }

  #opened(event, passage) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // the browser's: a new tab or window
    event.preventDefault();
    this.#page.open(passage);
  }
}
