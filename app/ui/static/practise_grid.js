// The left column: progress, the grid of question numbers, results, new round. A state is never shown by colour
// alone: right and wrong carry a mark, a flag a corner, and the name says it all.
import { button, fill, h, icon } from "./dom.js";

const stateOf = (item) => (item.correct === null || item.correct === undefined ? "unanswered" : item.correct ? "right" : "wrong");

export function createGrid(side, { onOpen, onResults, onNewRound, onHelp }) {
  const progressWords = h("p", { class: "progress-words", data: { testid: "round-progress" } });
  const progressBar = h("div", { class: "round-bar", "aria-hidden": "true" }, h("span"));
  const list = h("ol", { class: "grid", "aria-label": "Questions of this round", data: { testid: "grid" } });
  side.append(
    h("div", { class: "round-head" }, h("h2", { text: "This round" }), progressWords, progressBar),
    list,
    h("ul", { class: "legend", "aria-hidden": "true" },
      ["right", "wrong", "flagged"].map((name) => h("li", {}, h("span", { class: `legend-mark ${name}` }, mark(name)), name))),
    h("div", { class: "side-foot" },
      button("Results", { icon: "chart", kind: "wide", testid: "results", on: onResults }),
      button("Start a new round", { icon: "retry", kind: "quiet wide", testid: "new-round", on: onNewRound }),
      button("Keyboard shortcuts", { icon: "keyboard", kind: "quiet wide", testid: "help", on: onHelp })));

  function cell(item, current) {
    const state = stateOf(item);
    const isCurrent = item.id === current;
    const name = [`Question ${item.number}`, isCurrent ? "current" : "", state, item.flagged ? "flagged" : ""].filter(Boolean).join(", ");
    return h("li", {}, h("button", {
      type: "button", class: "cell", "aria-label": name, title: `${name} · ${item.system}`, "aria-current": isCurrent ? "true" : undefined,
      data: { testid: "grid-item", number: item.number, state, flagged: String(item.flagged), id: item.id }, on: { click: () => onOpen(item.id) },
    }, h("span", { text: item.number }), state === "unanswered" ? null : mark(state), item.flagged ? h("span", { class: "cell-flag" }, icon("flag")) : null));
  }

  list.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(list), ArrowUp: -columns(list) }[event.key];
    const cells = [...list.querySelectorAll("button")];
    const target = cells[cells.indexOf(document.activeElement) + (by ?? NaN)];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    target?.focus();
  });

  return {
    draw(round, current) {
      const focused = list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
      const answered = round.items.filter((item) => stateOf(item) !== "unanswered").length;
      fill(list, round.items.map((item) => cell(item, current)));
      if (focused) list.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
      progressWords.textContent = `${answered} of ${round.items.length} answered`;
      progressBar.firstChild.style.width = `${(100 * answered) / Math.max(1, round.items.length)}%`;
    },
    focus: () => (list.querySelector('[aria-current="true"]') ?? list.querySelector("button"))?.focus(),
  };
}

const mark = (state) => h("span", { class: "cell-mark" }, icon({ right: "check", wrong: "cross", flagged: "flag" }[state]));

const columns = (list) => getComputedStyle(list).gridTemplateColumns.split(" ").length;
