// The left column: progress, the grid of question numbers, results, new round. A state is never shown by colour
// alone: right and wrong carry a mark, a flag a corner, and the name says it all. Knows nothing of the questions' text.
import { button, fill, h, icon } from "./dom.js";

const MARKS = { right: "check", wrong: "cross", flagged: "flag" };

function stateOf(item) {
  if (item.correct === null || item.correct === undefined) return "unanswered";
  return item.correct ? "right" : "wrong";
}

const mark = (state) => h("span", { class: "cell-mark" }, icon(MARKS[state]));

function cell(item, isCurrent, onOpen) {
  const state = stateOf(item);
  const name = [`Question ${item.number}`, isCurrent ? "current" : "", state, item.flagged ? "flagged" : ""];
  const label = name.filter(Boolean).join(", ");
  return h("li", {}, h("button", {
    type: "button", class: "cell", "aria-label": label, title: `${label} · ${item.system}`,
    "aria-current": isCurrent ? "true" : undefined,
    data: { testid: "grid-item", number: item.number, state, flagged: String(item.flagged), id: item.id },
    on: { click: () => onOpen(item.id) },
  },
  h("span", { text: item.number }),
  state === "unanswered" ? null : mark(state),
  item.flagged ? h("span", { class: "cell-flag" }, icon("flag")) : null));
}

const legend = () => h("ul", { class: "legend", "aria-hidden": "true" },
  Object.keys(MARKS).map((name) => h("li", {}, h("span", { class: `legend-mark ${name}` }, mark(name)), name)));

const columnsOf = (list) => getComputedStyle(list).gridTemplateColumns.split(" ").length;

/** The arrow keys move between the cells of `list`. */
function moveByArrows(list, event) {
  const columns = columnsOf(list);
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  const cells = [...list.querySelectorAll("button")];
  cells[cells.indexOf(document.activeElement) + by]?.focus();
}

export class Grid {
  #onOpen;
  #words = h("p", { class: "progress-words", data: { testid: "round-progress" } });
  #bar = h("div", { class: "round-bar", "aria-hidden": "true" }, h("span"));
  #list = h("ol", {
    class: "grid", "aria-label": "Questions of this round", data: { testid: "grid" },
    on: { keydown: (event) => moveByArrows(this.#list, event) },
  });

  /** Fill `side`; `onOpen` takes a question's id. */
  constructor(side, { onOpen, onResults, onNewRound, onHelp }) {
    this.#onOpen = onOpen;
    side.append(
      h("div", { class: "round-head" }, h("h2", { text: "This round" }), this.#words, this.#bar),
      this.#list,
      legend(),
      h("div", { class: "side-foot" },
        button("Results", { icon: "chart", kind: "wide", testid: "results", on: onResults }),
        button("Start a new round", { icon: "retry", kind: "quiet wide", testid: "new-round", on: onNewRound }),
        button("Keyboard shortcuts", { icon: "keyboard", kind: "quiet wide", testid: "help", on: onHelp })));
  }

  draw(round, current) {
    const list = this.#list;
    const total = round.items.length;
    const answered = round.items.filter((item) => stateOf(item) !== "unanswered").length;
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    fill(list, round.items.map((item) => cell(item, item.id === current, this.#onOpen)));
    if (focused) list.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
    this.#words.textContent = `${answered} of ${total} answered`;
    this.#bar.firstChild.style.width = `${(100 * answered) / Math.max(1, total)}%`;
  }

  focus() {
    (this.#list.querySelector('[aria-current="true"]') ?? this.#list.querySelector("button"))?.focus();
  }
}
