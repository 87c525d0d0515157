// The list of documents, page by page: opening, selecting, removing. library_remove asks and removes.
import { call } from "./api.js";
import { askAddress, called } from "./ask_documents.js";
import { button, h, thousands } from "./dom.js";
import { counted } from "./document_viewer_head.js";
import { redraw } from "./library_redraw.js";
import { Removal } from "./library_remove.js";
import { documentRow } from "./library_row.js";

const AT_ONCE = 50;
const MOST_ASKED = 200; // documents that one question may name
const EMPTY = "You have added nothing yet. What you add is listed here, and Ask and Evidence can answer from it.";

export class DocumentList {
  #page;
  #words = "";
  #offset = 0;
  #asked = 0;
  #own = 0;
  #selected = new Set();
  #shown = []; // the documents on this page of the list
  #heading = h("h2", { id: "library-documents", tabindex: "-1", text: "Documents" });
  #counts = h("p", { class: "library-note", data: { testid: "counts" } });
  #said = h("p", { class: "library-note", role: "status", hidden: true, data: { testid: "list-said" } });
  #list = h("ul", { class: "documents" });
  #every = h("input", { type: "checkbox", data: { testid: "select-all" }, on: { change: () => this.#selectEvery() } });
  #everyLabel = h("label", { class: "library-check" }, this.#every, "Select yours on this page");
  #askSome = button("Ask selected", { kind: "small", testid: "ask-selected", on: () => this.#ask() });
  #removeSome = button("Remove selected", { kind: "small danger-text", testid: "remove-selected", on: () => this.#removeSelected() });
  #removeAll = button("Remove all of yours", { kind: "small danger-text", testid: "remove-all", on: () => this.#remove(null) });
  #tools = h("div", { class: "list-tools" }, this.#everyLabel, this.#askSome, this.#removeSome, this.#removeAll);
  #before = button("Previous", { icon: "prev", kind: "small", testid: "page-before", on: () => this.#turn(-1) });
  #after = button("Next", { icon: "next", kind: "small trailing", testid: "page-after", on: () => this.#turn(1) });
  #range = h("span", { class: "list-range" });
  #pages = h("nav", { class: "list-pages", "aria-label": "Pages of the list", hidden: true }, this.#before, this.#range, this.#after);
  #removal = new Removal();
  element = h("section", { class: "library-section", "aria-labelledby": "library-documents" },
    this.#heading, this.#counts, this.#removal.element, this.#said, this.#tools, this.#list, this.#pages);

  /** page.removed() is called once documents are gone; page.counted({own, shared, sample}) when the list was fetched. */
  constructor(page) {
    this.#page = page;
  }

  /** List the documents with `words` in their title, from the first. */
  search(words) {
    if (words !== this.#words) this.#offset = 0;
    this.#words = words;
    return this.refresh();
  }

  async refresh() {
    const mine = ++this.#asked;
    try {
      const query = new URLSearchParams({ search: this.#words, offset: this.#offset, count: AT_ONCE });
      const found = await call("GET", `/api/library?${query}`);
      if (mine !== this.#asked) return undefined;
      if (!found.documents.length && this.#offset > 0) {
        this.#offset = Math.max(0, Math.floor((found.total - 1) / AT_ONCE) * AT_ONCE);
        return this.refresh();
      }
      this.#show(found);
    } catch (error) {
      if (mine === this.#asked) this.#say(error.message);
    }
    return undefined;
  }

  #show({ documents, total, own, shared, sample }) {
    this.#own = own;
    this.#shown = documents;
    this.#counts.textContent = `${counted(own, "document")} of yours, ${thousands(shared)} shared, `
      + `${counted(sample, "sample page")}.`;
    const none = this.#words ? `No document has “${this.#words}” in its title or file name.` : own ? "" : EMPTY;
    this.#say(documents.length && (own || this.#words) ? "" : none);
    redraw(this.#list, documents.map((found) => documentRow(found, {
      selected: (id) => this.#selected.has(id), select: (id, on) => this.#select(id, on), remove: (one) => this.#remove([one]),
    })));
    this.#range.textContent = `${thousands(this.#offset + 1)} to ${thousands(this.#offset + documents.length)} of ${thousands(total)}`;
    this.#pages.hidden = total <= AT_ONCE;
    this.#before.disabled = this.#offset === 0;
    this.#after.disabled = this.#offset + documents.length >= total;
    this.#showTools();
    this.#page.counted({ own, shared, sample });
  }

  #say(sentence) {
    this.#said.textContent = sentence;
    this.#said.hidden = !sentence;
  }

  #showTools() {
    const mine = this.#shown.filter(({ mine: own }) => own);
    this.#tools.hidden = this.#own === 0;
    this.#everyLabel.hidden = !mine.length;
    this.#every.checked = mine.length > 0 && mine.every(({ id }) => this.#selected.has(id));
    this.#askSome.disabled = this.#selected.size === 0 || this.#selected.size > MOST_ASKED;
    this.#askSome.title = this.#selected.size > MOST_ASKED ? `At most ${MOST_ASKED} documents can be asked together` : "";
    this.#removeSome.disabled = this.#selected.size === 0;
    this.#removeSome.querySelector("span").textContent = this.#selected.size
      ? `Remove ${thousands(this.#selected.size)} selected` : "Remove selected";
  }

  // Selecting, turning

  #select(id, on) {
    if (on) this.#selected.add(id);
    else this.#selected.delete(id);
    this.#showTools();
  }

  #selectEvery() {
    const on = this.#every.checked;
    for (const { id, mine } of this.#shown) if (mine) this.#select(id, on);
    for (const box of this.#list.querySelectorAll("input")) box.checked = on;
  }

  async #turn(way) {
    this.#offset += way * AT_ONCE;
    await this.refresh();
    this.#heading.focus();
    this.#heading.scrollIntoView({ block: "start" });
  }

  #ask() {
    const ids = [...this.#selected];
    const one = ids.length === 1 && this.#shown.find(({ id }) => id === ids[0]);
    location.assign(askAddress(ids, one ? called(one.title) : counted(ids.length, "chosen document")));
  }

  // Removing

  #removeSelected() {
    return this.#remove([...this.#selected].map((id) => this.#shown.find((one) => one.id === id) ?? { id }));
  }

  /** `documents` with their ids, null for all of one's own. */
  async #remove(documents) {
    const done = await this.#removal.run(documents, this.#own);
    if (!done) return;
    if (documents) documents.forEach(({ id }) => this.#selected.delete(id));
    else this.#selected.clear();
    await this.refresh();
    this.#removal.focus(); // the pressed button may be gone
    this.#page.removed();
  }
}
