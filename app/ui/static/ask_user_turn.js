// One question as an element: its text, Copy, Edit (in place), Practise this. Knows nothing of the network or of other turns.
import { REPLACES, linkButton } from "./ask_foot.js";
import { copyText } from "./dialogs.js";
import { button, coarsePointer, fill, h } from "./dom.js";

/** A `pending` one has no buttons yet. */
class UserTurn {
  #message;
  #handlers;
  #pending;
  #body = h("div", { class: "user-text" });
  #tools = h("div", { class: "turn-tools" });
  element;

  constructor(message, handlers, pending) {
    this.#message = message;
    this.#handlers = handlers;
    this.#pending = pending;
    this.element = h("article", {
      class: "turn user", "aria-label": "Your question", data: { testid: "user-turn", id: message.id },
      on: { "edit-turn": (event) => this.#edit(event.detail) },
    }, this.#body, this.#tools);
    this.#read();
  }

  #read() {
    const { text } = this.#message;
    fill(this.#body, text);
    fill(this.#tools, this.#pending ? null : [
      button("Copy", { icon: "copy", kind: "quiet small", testid: "copy-question", on: () => copyText(text) }),
      button("Edit", {
        icon: "edit", kind: "quiet small", testid: "edit", title: `Edit and ask again. ${REPLACES}`, on: () => this.#edit(text),
      }),
      linkButton("Practise this", {
        ...this.#handlers.practise(text), iconName: "list", testid: "practise-this", title: "Practise questions on this topic",
      }),
    ]);
  }

  #edit(text) {
    if (this.#handlers.busy()) return;
    const field = h("textarea", {
      class: "edit-field", rows: "3", "aria-label": "Edit your question", data: { testid: "edit-field" },
      on: { keydown: (event) => this.#pressed(event) },
    });
    field.value = text;
    fill(this.#body, field);
    fill(this.#tools,
      button("Ask again", { kind: "primary small", testid: "edit-save", title: REPLACES, on: () => this.#save(field.value) }),
      button("Cancel", { kind: "quiet small", testid: "edit-cancel", on: () => this.#read() }),
      h("span", { class: "tool-note", text: REPLACES }));
    field.focus();
  }

  #pressed(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey && !coarsePointer()) {
      event.preventDefault();
      this.#save(event.target.value);
    }
    if (event.key === "Escape") {
      event.stopPropagation();
      this.#read();
    }
  }

  #save(text) {
    if (text.trim() && !this.#handlers.busy()) this.#handlers.edit(this.#message, text);
  }
}

/** The element of a question; `handlers`: busy(), edit(message, text), practise(text) -> {href, blank}. */
export const userTurn = (message, handlers, pending = false) => new UserTurn(message, handlers, pending).element;
