// The keys of the Practise page and the dialog that lists them. Keys never fire while somebody types, with Ctrl, Alt or
// Meta, or over an open dialog; single-letter keys can be switched off (WCAG 2.1.4). Knows nothing of questions.
import { button, h, isTyping } from "./dom.js";
import { letterKeys, setLetterKeys } from "./prefs.js";

const CONFIDENCE = { 1: "guess", 2: "unsure", 3: "sure" };
const MISS = { 1: "knowledge", 2: "misread", 3: "reasoning", 4: "time" };
const KEYS = [
  ["A – J", "Choose an option"], ["↑ ↓", "Move the choice"], ["1 2 3", "Guess, unsure, sure"],
  ["Enter", "Tutor: commit, then go on. Timed and exam: go on"], ["N P or ← →", "Next, previous"],
  ["S", "Strike an option out"], ["F", "Flag"], ["H", "Show a hint (tutor)"], ["L", "Highlight the selected text"],
  ["T", "Write a note"], ["V", "Reference values"], ["Q", "Ask about this question (tutor)"],
  ["1 2 3 4", "After a miss: knowledge, misread, reasoning, time"], ["G", "To the grid of questions"], ["R", "Results"],
  ["+ −", "Larger or smaller text"], ["?", "This list"],
];
const SHIFTED = "With an option F, G or H the letter chooses it; Shift with the letter flags, goes to the grid or shows a hint.";
// Enter on these is theirs; on an option it is the page's.
const OWN_ENTER = "button:not(.option-choose), a, summary, mark, [role=button]";

/**
 * Call `moves` by name as keys come; see the names in practise.js. `moves.open()` tells whether a question is open,
 * `moves.has(letter)` whether it has that option, `moves.missed()` whether its verdict is "wrong".
 */
export function listenToKeys(moves) {
  const plain = {
    Enter: moves.enter, ArrowDown: () => moves.arrow(1), ArrowUp: () => moves.arrow(-1),
    ArrowRight: moves.next, ArrowLeft: moves.previous,
  };
  const always = {
    "?": moves.help, "+": () => moves.textSize(1), "=": () => moves.textSize(1), "-": () => moves.textSize(-1),
    g: moves.grid, r: moves.results,
  };
  const single = {
    s: moves.strike, h: moves.hint, f: moves.flag, n: moves.next, p: moves.previous, l: moves.highlight, t: moves.note,
    v: moves.reference, q: moves.tutor,
  };

  function digit(key) {
    if (moves.missed()) return key in MISS ? () => moves.miss(MISS[key]) : undefined;
    return key in CONFIDENCE ? () => moves.confidence(CONFIDENCE[key]) : undefined;
  }

  function act(event) {
    const open = moves.open();
    if (event.key in plain) return open ? plain[event.key] : undefined;
    if (!letterKeys()) return undefined;
    const key = event.key.toLowerCase();
    if (open && !event.shiftKey && moves.has(key.toUpperCase())) return () => moves.letter(key.toUpperCase());
    if (open && /^\d$/.test(key)) return digit(key);
    return always[key] ?? (open ? single[key] : undefined);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog:modal")) return;
    if (event.key === "Enter" && event.target.closest?.(OWN_ENTER)) return;
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
    h("p", { class: "keys-note", text: SHIFTED }),
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
