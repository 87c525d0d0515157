// The keys of the Practise page and the dialog that lists them. Keys never fire while somebody types, with Ctrl, Alt or
// Meta, or over an open dialog; single-letter keys can be switched off (WCAG 2.1.4). Knows nothing of questions.
import { button, h, isTyping } from "./dom.js";
import { letterKeys, setLetterKeys } from "./prefs.js";

const CONFIDENCE = { 1: "guess", 2: "unsure", 3: "sure" };
const KEYS = [
  ["A – E", "Choose an option"], ["↑ ↓", "Move the choice"], ["1 2 3", "Guess, unsure, sure"],
  ["Enter", "Commit, then go on"], ["S", "Strike an option out"], ["H", "Show a hint"], ["F", "Flag"],
  ["N P or ← →", "Next, previous"], ["G", "To the grid of questions"], ["R", "Results"], ["?", "This list"],
];

/** Call `moves` by name as keys come; see the names in practise.js. */
export function listenToKeys(moves) {
  const plain = {
    Enter: moves.enter, ArrowDown: () => moves.arrow(1), ArrowUp: () => moves.arrow(-1),
    ArrowRight: moves.next, ArrowLeft: moves.previous,
  };
  const single = {
    s: moves.strike, h: moves.hint, f: moves.flag, n: moves.next, p: moves.previous, g: moves.grid, r: moves.results,
    "?": moves.help,
  };

  function act(event) {
    if (event.key in plain) return plain[event.key];
    if (!letterKeys()) return undefined;
    const key = event.key.toLowerCase();
    if (key in CONFIDENCE) return () => moves.confidence(CONFIDENCE[key]);
    if (/^[a-e]$/.test(key)) return () => moves.letter(key.toUpperCase());
    return single[key];
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    // Enter on a button or a link is that button's; on an option it commits.
    if (event.key === "Enter" && event.target.closest?.("button:not(.option-choose), a, summary")) return;
    const move = act(event);
    if (!move) return;
    event.preventDefault();
    if (!event.repeat || event.key.startsWith("Arrow")) move();
  });
}

/** The help dialog. Returns {open}. */
export function shortcutHelp() {
  const toggle = h("input", {
    type: "checkbox", id: "letter-keys", data: { testid: "letter-keys" }, on: { change: () => setLetterKeys(toggle.checked) },
  });
  const line = ([key, what]) => h("div", {}, h("dt", {}, h("kbd", { text: key })), h("dd", { text: what }));
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "help-heading", data: { testid: "help-dialog" } },
    h("h2", { id: "help-heading", text: "Keyboard shortcuts" }),
    h("dl", { class: "keys" }, KEYS.map(line)),
    h("label", { class: "check", for: "letter-keys" }, toggle, h("span", { text: "Single-letter and digit keys are on" })),
    h("div", { class: "dialog-actions" },
      button("Close", { kind: "primary", testid: "help-close", autofocus: true, on: () => dialog.close() })));
  return {
    open() {
      toggle.checked = letterKeys();
      if (!dialog.isConnected) document.querySelector(".lc").append(dialog);
      if (!dialog.open) dialog.showModal();
    },
  };
}
