// Usual reference values beside the question, with a search. Fetched once, when they are first asked for.
import { call } from "./api.js";
import { button, fill, h } from "./dom.js";
import { Panel } from "./practise_panel.js";

const COLUMNS = ["Test", "Conventional", "SI"];

const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

/** The groups with those rows alone that have each word in their name or their group's. */
function matching(groups, words) {
  const fits = (group, row) => words.every((word) => `${group.name} ${row.name}`.toLowerCase().includes(word));
  const reduced = groups.map((group) => ({ ...group, rows: group.rows.filter((row) => fits(group, row)) }));
  return reduced.filter(({ rows }) => rows.length);
}

function groupTable({ name, rows }) {
  return h("table", { class: "reference-table" },
    h("caption", { text: name }),
    h("thead", {}, h("tr", {}, COLUMNS.map((text) => h("th", { scope: "col", text })))),
    h("tbody", {}, rows.map((row) => h("tr", { data: { testid: "reference-row" } },
      h("th", { scope: "row", text: row.name }), h("td", { text: row.conventional }), h("td", { text: row.si })))));
}

export class Reference {
  #groups = null;
  #panel = new Panel({ name: "Reference values", testid: "reference-panel", opener: "reference" });
  #note = "";
  #count = h("p", { class: "sr-only", role: "status" });
  #list = h("div", { class: "reference-list", tabindex: "0", role: "region", "aria-label": "Values" });
  #search = h("input", {
    type: "search", class: "search", placeholder: "Find a test", "aria-label": "Find a test", autocomplete: "off",
    data: { testid: "reference-search" }, on: { input: () => this.#draw() },
  });
  element = this.#panel.element;

  constructor() {
    this.#panel.body.append(this.#search, this.#count, this.#list);
  }

  open() {
    this.#panel.show(() => this.#search.focus({ preventScroll: true }));
    this.#search.select();
    if (!this.#groups) this.#fetch();
  }

  close() {
    this.#panel.hide();
  }

  async #fetch() {
    fill(this.#list, h("p", { class: "panel-note", text: "Fetching…" }));
    try {
      const { groups, note } = await call("GET", "/api/practise/reference");
      this.#groups = groups;
      this.#note = note;
      this.#draw();
    } catch (error) {
      fill(this.#list, h("div", { class: "notice", role: "alert" }, h("p", { text: error.message }),
        button("Try again", { kind: "small", on: () => this.#fetch() })));
    }
  }

  #draw() {
    if (!this.#groups) return;
    const words = wordsOf(this.#search.value);
    const groups = matching(this.#groups, words);
    const count = groups.reduce((sum, { rows }) => sum + rows.length, 0);
    const none = `No test here has “${this.#search.value.trim()}” in its name.`;
    this.#count.textContent = words.length ? (count ? `${count} found` : none) : "";
    this.#list.scrollTop = 0;
    fill(this.#list, h("p", { class: "panel-note", text: groups.length ? this.#note : none }), groups.map(groupTable));
  }
}
