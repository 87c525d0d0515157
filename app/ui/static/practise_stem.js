// The stem of a question: paragraphs with the learner's highlights, tables, images. Offsets of highlights count characters
// of its text blocks, one after the other. All text goes in as text. Knows nothing of the rest of the card.
import { toast } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { figure } from "./practise_figure.js";
import { Marker } from "./practise_marker.js";

/** The paragraphs of a text block that begins at the offset `from`. */
const paragraphs = (text, from) => [...text.matchAll(/[^\n]+/g)].map((match) => ({
  start: from + match.index, text: match[0], element: h("p", { data: { testid: "stem-text" } }),
}));

function table({ head, rows }) {
  const cells = ([first, ...rest]) => [h("th", { scope: "row", text: first }), ...rest.map((text) => h("td", { text }))];
  return h("div", { class: "stem-table", role: "region", tabindex: "0", "aria-label": "Table", data: { testid: "stem-table" } },
    h("table", {},
      h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col", text })))),
      h("tbody", {}, rows.map((row) => h("tr", {}, cells(row))))));
}

/** What of a paragraph lies in no highlight or in one of them: [{text, start}], `start` of the highlight or null. */
function pieces({ start, text }, highlights) {
  const parts = [];
  let at = 0;
  for (const [from, to] of highlights) {
    const begin = Math.max(at, from - start);
    const end = Math.min(text.length, to - start);
    if (begin >= end) continue;
    if (begin > at) parts.push({ text: text.slice(at, begin), start: null });
    parts.push({ text: text.slice(begin, end), start: from });
    at = end;
  }
  if (at < text.length) parts.push({ text: text.slice(at), start: null });
  return parts;
}

/** The list with `added` in it, joined with what it overlaps or touches. */
function joined(list, [start, end]) {
  const near = list.filter(([from, to]) => to >= start && from <= end);
  const whole = [Math.min(start, ...near.map(([from]) => from)), Math.max(end, ...near.map(([, to]) => to))];
  return [...list.filter((one) => !near.includes(one)), whole].sort(([one], [other]) => one - other);
}

export class Stem {
  #onHighlights;
  #paragraphs = [];
  #drawn = null;
  #highlights = [];
  #marker;
  #body = h("div", { class: "stem", tabindex: "-1", data: { testid: "stem" } });
  element;

  /** `onHighlights(list)` as the reader marks text or takes a mark away. */
  constructor(onHighlights) {
    this.#onHighlights = onHighlights;
    this.#marker = new Marker(() => this.#paragraphs, () => this.highlight());
    this.element = h("div", { class: "stem-frame" }, this.#body, this.#marker.element);
  }

  draw({ item }) {
    if (this.#drawn !== item) this.#drawBlocks(item);
    const highlights = item.highlights ?? [];
    if (this.#drawn === item && this.#highlights === highlights) return;
    this.#drawn = item;
    this.#highlights = highlights;
    for (const one of this.#paragraphs) {
      fill(one.element, pieces(one, highlights).map(({ text, start }) => (start === null ? text : this.#mark(text, start))));
    }
  }

  /** Keep what is selected for a button that is about to be pressed: a tap may clear the selection first. */
  hold() {
    this.#marker.hold();
  }

  /** Highlight what is selected. */
  highlight() {
    const selected = this.#marker.take();
    if (selected) this.#onHighlights(joined(this.#highlights, selected));
    else toast("Select text in the question first, then highlight it.");
  }

  #drawBlocks({ stem }) {
    let offset = 0;
    this.#paragraphs = [];
    fill(this.#body, stem.map((block) => {
      if (block.kind === "table") return table(block);
      if (block.kind === "image") return figure(block);
      const made = paragraphs(block.text, offset);
      offset += block.text.length;
      this.#paragraphs.push(...made);
      return made.map(({ element }) => element);
    }).flat());
  }

  #mark(text, start) {
    const remove = () => this.#remove(start);
    return h("mark", {
      role: "button", tabindex: "0", title: "Press to remove the highlight", "aria-label": `Highlighted: ${text}. Remove`,
      data: { testid: "mark", start },
      on: {
        click: () => { if (document.getSelection().isCollapsed) remove(); },
        keydown: (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          remove();
        },
      },
    }, text);
  }

  #remove(start) {
    this.#onHighlights(this.#highlights.filter(([from]) => from !== start));
    const marks = [...this.#body.querySelectorAll("mark")];
    const next = marks.find((one) => Number(one.dataset.start) > start) ?? marks.at(-1) ?? this.#body;
    next.focus({ preventScroll: true });
  }
}
