// The passages of the library that shall be weighed: searched, chosen, taken out again. Knows nothing of the weighing.
import { call } from "./api.js";
import { button, fill, h } from "./dom.js";
import { openPassage } from "./document_viewer.js";
import { marked } from "./spans.js";

const MOST = 20;
const FOUND = 8;
const NOTHING = "Nothing in the library bears on this. Try other words, or add documents on the Library page.";

const place = ({ title, section, page }) => [title, section, page ? `page ${page}` : ""].filter(Boolean).join(" › ");
const whose = ({ sample, shared }) => (sample ? "sample" : shared ? "shared" : "yours");

function opener(passage) {
  return h("button", {
    type: "button", class: "evidence-place", text: place(passage), data: { testid: "evidence-open" },
    on: { click: () => openPassage({ passage: passage.id, document: passage.document, marks: passage.marks ?? [], quote: null }) },
  });
}

function row(passage, move) {
  return h("li", { class: "evidence-passage", data: { testid: "evidence-passage", id: String(passage.id) } },
    h("div", { class: "evidence-passage-head" }, opener(passage), h("span", { class: "tag", text: whose(passage) }), move),
    h("p", { class: "evidence-passage-text" }, marked(passage.text, passage.marks ?? [])));
}

/** `changed()` is called as passages are chosen or taken out. */
export class Passages {
  #changed;
  #chosen = new Map(); // id -> passage
  #found = [];
  #asked = 0; // counts searches, so that a slow answer never takes the place of a later one
  #list = h("ul", { class: "evidence-passages", data: { testid: "evidence-chosen" } });
  #results = h("ul", { class: "evidence-passages", data: { testid: "evidence-found" } });
  #said = h("p", { class: "evidence-said", role: "status", data: { testid: "evidence-search-said" } });
  #words = h("input", {
    type: "search", class: "evidence-field", "aria-label": "Search the library", placeholder: "Words to look for",
    maxlength: "500", data: { testid: "evidence-words" },
    on: { keydown: (event) => { if (event.key === "Enter" && !event.isComposing) { event.preventDefault(); this.#search(); } } },
  });
  #fold = h("details", { class: "fold", data: { testid: "evidence-library" } },
    h("summary", { text: "Choose passages of the library" }),
    h("div", { class: "evidence-search" }, this.#words,
      button("Search", { icon: "search", testid: "evidence-search", on: () => this.#search() })),
    this.#said, this.#results);
  element = h("div", { class: "evidence-library" }, this.#list, this.#fold);

  constructor(changed) {
    this.#changed = changed;
    this.#draw();
  }

  get ids() {
    return [...this.#chosen.keys()];
  }

  /** Choose the passages with these ids, as a link named them. Returns the sentences of what could not be had. */
  async take(ids) {
    const problems = [];
    for (const id of ids.slice(0, MOST)) {
      try {
        this.#chosen.set(id, await call("GET", `/api/library/passages/${id}`));
      } catch (error) {
        problems.push(error.message);
      }
    }
    this.#draw();
    this.#changed();
    return problems;
  }

  clear() {
    this.#chosen.clear();
    this.#draw();
  }

  async #search() {
    const words = this.#words.value.trim();
    const mine = ++this.#asked;
    if (!words) return this.#show([], "Write some words to look for.");
    this.#said.textContent = "Searching…";
    try {
      const { passages } = await call("GET", `/api/library/search?${new URLSearchParams({ q: words, count: FOUND })}`);
      if (mine === this.#asked) this.#show(passages, passages.length ? `${passages.length} passages, best first` : NOTHING);
    } catch (error) {
      if (mine === this.#asked) this.#show([], error.message);
    }
    return undefined;
  }

  #show(passages, sentence) {
    this.#found = passages;
    this.#said.textContent = sentence;
    this.#draw();
  }

  #choose(passage) {
    if (this.#chosen.size >= MOST) {
      this.#said.textContent = `At most ${MOST} passages are weighed at once. Take one out first.`;
      return;
    }
    this.#chosen.set(passage.id, passage);
    this.#draw();
    this.#changed();
    this.#words.focus();
  }

  #remove(passage) {
    this.#chosen.delete(passage.id);
    this.#draw();
    this.#changed();
    this.#fold.querySelector("summary").focus();
  }

  #draw() {
    this.#list.hidden = !this.#chosen.size;
    fill(this.#list, [...this.#chosen.values()].map((passage) => row(passage,
      button("Take out", { icon: "close", kind: "small quiet", testid: "evidence-remove",
        "aria-label": `Take out ${place(passage)}`, on: () => this.#remove(passage) }))));
    fill(this.#results, this.#found.filter(({ id }) => !this.#chosen.has(id)).map((passage) => row(passage,
      button("Add", { icon: "plus", kind: "small", testid: "evidence-add",
        "aria-label": `Add ${place(passage)}`, on: () => this.#choose(passage) }))));
  }
}
