// The left column of a session: progress and the grid of question numbers, an exam's by blocks. A state is never shown by
// colour alone: each carries a mark, a flag a corner, and the name says it all. Knows nothing of the questions' text.
import { fill, h, icon } from "./dom.js";

const MARKS = { answered: "●", right: icon("check"), wrong: icon("cross"), omitted: "–", flagged: icon("flag") };
const STATES = { open: "not answered", answered: "answered", right: "right", wrong: "wrong", omitted: "not answered in time" };

const mark = (state) => h("span", { class: "cell-mark", "aria-hidden": "true" },
  typeof MARKS[state] === "string" ? MARKS[state] : MARKS[state].cloneNode(true));

function cell(item, isCurrent, onOpen) {
  const name = [
    `Question ${item.position}`, isCurrent ? "current" : "", STATES[item.state], item.flagged ? "flagged" : "",
    item.reachable ? "" : "closed",
  ];
  const label = name.filter(Boolean).join(", ");
  return h("li", {}, h("button", {
    type: "button", class: "cell", "aria-label": label, title: `${label} · ${item.system}`, disabled: !item.reachable,
    "aria-current": isCurrent ? "true" : undefined,
    data: {
      testid: "grid-item", number: item.position, state: item.state, flagged: String(item.flagged), position: item.position,
    },
    on: { click: () => onOpen(item.position) },
  },
  h("span", { text: item.position }),
  item.state === "open" ? null : mark(item.state),
  item.flagged ? h("span", { class: "cell-flag" }, icon("flag")) : null));
}

const legend = (names) => h("ul", { class: "legend", "aria-hidden": "true" },
  names.map((name) => h("li", {}, h("span", { class: `legend-mark ${name}` }, mark(name)), name)));

/** The cell above (-1) or below (1) `from`, by where they are drawn. */
function inNextRow(cells, from, by) {
  const here = from.getBoundingClientRect();
  const boxes = cells.map((one) => [one, one.getBoundingClientRect()]);
  const beyond = boxes.filter(([, box]) => (by > 0 ? box.top >= here.bottom : box.bottom <= here.top));
  const away = ([, box]) => 1000 * Math.abs(box.top - here.top) + Math.abs(box.left - here.left);
  return beyond.sort((one, other) => away(one) - away(other))[0]?.[0];
}

/** The arrow keys move between the cells of `list` that can be opened. */
function moveByArrows(list, event) {
  const cells = [...list.querySelectorAll("button:not(:disabled)")];
  const at = cells.indexOf(document.activeElement);
  const target = {
    ArrowRight: () => cells[at + 1], ArrowLeft: () => cells[at - 1],
    ArrowDown: () => inNextRow(cells, cells[at], 1), ArrowUp: () => inNextRow(cells, cells[at], -1),
  }[event.key];
  if (!target || at < 0) return;
  event.preventDefault();
  event.stopPropagation();
  target()?.focus();
}

const BLOCK_WORDS = { waiting: "not begun", running: "running", paused: "paused", closed: "closed" };

function group(block, items, current, onOpen) {
  const cells = items.map((item) => cell(item, item.position === current, onOpen));
  if (!block) return h("ol", { class: "grid", "aria-label": "Questions" }, cells);
  const name = `Block ${block.number}`;
  return h("section", { class: "grid-block", "aria-label": name, data: { state: block.state } },
    h("h3", {}, name, h("span", { class: "block-state", text: ` ${BLOCK_WORDS[block.state]}` })),
    h("ol", { class: "grid" }, cells));
}

export class Grid {
  #onOpen;
  #heading = h("h2");
  #words = h("p", { class: "progress-words", data: { testid: "round-progress" } });
  #bar = h("div", { class: "round-bar", "aria-hidden": "true" }, h("span"));
  #list = h("div", { class: "grid-list", data: { testid: "grid" }, on: { keydown: (event) => moveByArrows(this.#list, event) } });
  #legend = h("div");
  element = h("div", { class: "grid-panel" },
    h("div", { class: "round-head" }, this.#heading, this.#words, this.#bar), this.#list, this.#legend);

  /** `onOpen` takes a question's position. */
  constructor({ onOpen }) {
    this.#onOpen = onOpen;
  }

  /** `data`: the session as the server gives it; `current`: a position or null. With `hidden` no question can be opened. */
  draw(data, current, { hidden = false } = {}) {
    const items = hidden ? data.items.map((item) => ({ ...item, reachable: false })) : data.items;
    const done = items.filter((item) => ["answered", "right", "wrong"].includes(item.state)).length;
    const held = this.#list.contains(document.activeElement) ? document.activeElement.dataset.position : null;
    const blocks = data.mode === "exam" ? data.blocks : [null];
    fill(this.#list, blocks.map((block) => group(
      block, block ? items.filter((item) => item.block === block.number) : items, current, this.#onOpen)));
    if (held) this.#list.querySelector(`[data-position="${held}"]`)?.focus();
    fill(this.#legend, legend(data.feedback ? ["right", "wrong", "omitted", "flagged"] : ["answered", "flagged"]));
    this.#heading.textContent = data.title;
    this.#words.textContent = `${done} of ${items.length} answered`;
    this.#bar.firstChild.style.width = `${(100 * done) / Math.max(1, items.length)}%`;
  }

  /** To the question at `position`, or the current one, or the first. */
  focus(position = null) {
    const wanted = position === null ? '[aria-current="true"]' : `[data-position="${position}"]`;
    (this.#list.querySelector(wanted) ?? this.#list.querySelector("button:not(:disabled)"))?.focus();
  }
}
