// The row of tools under the head of a question: highlight, note, reference values, ask, flag. Each says its key in its title.
import { button, h } from "./dom.js";

function flagButton(item, flag) {
  return button(item.flagged ? "Flagged" : "Flag", {
    icon: "flag", kind: `quiet small flag${item.flagged ? " on" : ""}`, testid: "flag", "aria-pressed": String(item.flagged),
    title: "Flag this question (F)", on: flag,
  });
}

function highlightButton({ hold, highlight }) {
  const control = button("Highlight", {
    icon: "marker", kind: "quiet small", testid: "highlight", title: "Highlight the selected text (L)", on: highlight,
  });
  control.addEventListener("pointerdown", hold);
  control.addEventListener("mousedown", (event) => event.preventDefault()); // which would clear the selection
  return control;
}

function noteButton(item, open) {
  const written = Boolean(item.note);
  return button("Note", {
    icon: "edit", kind: `quiet small note-tool${written ? " on" : ""}`, testid: "note", on: open,
    title: `${written ? "Read or change your note" : "Write a note"} (T)`,
    "aria-label": written ? "Note, written" : undefined,
  });
}

/** `tools`: hold() and highlight() for the selected text, note(), reference(), tutor() or null where not offered, flag(). */
export function toolRow({ item }, tools) {
  return h("div", { class: "tools", role: "group", "aria-label": "Tools" },
    highlightButton(tools),
    noteButton(item, tools.note),
    button("Values", {
      icon: "values", kind: "quiet small", testid: "reference", title: "Reference values (V)", on: tools.reference,
    }),
    tools.tutor ? button("Ask", {
      icon: "chat", kind: "quiet small", testid: "tutor-open", title: "Ask about this item (Q)", on: tools.tutor,
    }) : null,
    flagButton(item, tools.flag));
}
