// One user turn, one answer, as elements. An answer's markup is the server's safe `html`; everything else is text.
// Knows nothing of the network or of other turns.
import { Reasoning } from "./ask_reasoning.js";
import { copyText } from "./dialogs.js";
import { button, coarsePointer, fill, h, icon } from "./dom.js";

export const ANSWER_NAME = "Answer";
const REPLACES = "This replaces everything after it.";

/** To questions on what was asked; `blank`: in another tab, because leaving this page loses it. */
function practiseLink({ href, blank }) {
  return h("a", {
    class: "button quiet small", href, target: blank ? "_blank" : undefined, rel: blank ? "noopener" : undefined,
    title: `Practise questions on this topic${blank ? ", in another tab" : ""}`, data: { testid: "practise-this" },
  }, icon("list"), h("span", { text: "Practise this" }));
}

/** A question: text, Copy, Edit (in place), Practise this. A `pending` one has no buttons yet. */
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
      practiseLink(this.#handlers.practise(text)),
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

/** The element of a question; `handlers`: busy(), retry(message), edit(message, text), practise(text) -> {href, blank}. */
export const userTurn = (message, handlers, pending = false) => new UserTurn(message, handlers, pending).element;

const seconds = (value) => `first word ${value.toFixed(1)} s`;
const speed = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} tokens/s`;
const known = (value) => value !== null && value !== undefined;

/** Who wrote it, on what ground, how fast. */
function facts(message) {
  const figures = [
    known(message.first_token_s) ? seconds(message.first_token_s) : "",
    known(message.tokens_per_s) ? speed(message.tokens_per_s) : "",
  ].filter(Boolean).join(" · ");
  return h("p", { class: "answer-facts", data: { testid: "answer-facts" } },
    message.model ? h("span", { class: "answer-model", text: message.model }) : null,
    h("span", { class: "answer-source", text: message.source || "model knowledge, no source" }),
    figures ? h("span", { class: "answer-speed", text: figures }) : null);
}

/**
 * Put `safeHtml`, an answer as the server rendered and cleaned it, into `target`: the one place where markup is taken.
 * The leading blocks that did not change stay untouched, so that a selection in an earlier paragraph survives and a
 * long answer costs no more than its last block.
 */
function patch(target, safeHtml) {
  const template = document.createElement("template");
  template.innerHTML = safeHtml;
  const fresh = [...template.content.childNodes];
  const shown = [...target.childNodes];
  let same = 0;
  while (same < shown.length && same < fresh.length && shown[same].isEqualNode(fresh[same])) same += 1;
  for (const node of shown.slice(same)) node.remove();
  target.append(...fresh.slice(same));
}

function progressBar(share) {
  const bar = h("span", { class: "progress-bar", "aria-hidden": "true" }, h("span"));
  bar.firstChild.style.width = `${Math.round(100 * share)}%`;
  return bar;
}

/** An answer, growing (message null) or whole. */
export class AnswerTurn {
  #handlers;
  #progress = h("p", { class: "progress", data: { testid: "progress" } });
  #reasoning = new Reasoning();
  #body = h("div", { class: "prose", data: { testid: "answer-body" } });
  #foot = h("footer", { class: "answer-foot" });
  element = h("article", {
    class: "turn answer", "aria-label": ANSWER_NAME, "aria-busy": "true", data: { testid: "answer", status: "streaming" },
  }, this.#progress, this.#reasoning.element, this.#body, this.#foot);

  constructor(message, handlers) {
    this.#handlers = handlers;
    if (message?.status === "streaming") {
      this.say("This answer is still being written…");
      this.#grow(message);
    } else if (message) this.end(message);
  }

  /** What is happening while there is no text; `share`, 0 to 1, draws a bar. */
  say(words, share) {
    if (this.element.dataset.status !== "streaming") return;
    this.#progress.hidden = false;
    fill(this.#progress, h("span", { class: "pulse", "aria-hidden": "true" }), h("span", { text: words }),
      share === undefined ? null : progressBar(share));
  }

  /** The whole of the text so far, and of the `reasoning` before it, which is "" where it has not grown. */
  text({ html, reasoning }) {
    if (!this.#progress.textContent.startsWith("Stopping")) this.#progress.hidden = true;
    this.element.classList.add("writing");
    this.#grow({ html, reasoning: reasoning || this.#reasoning.text });
  }

  #grow({ html, reasoning }) {
    if (html) this.#reasoning.complete(reasoning, true);
    else this.#reasoning.grow(reasoning);
    patch(this.#body, html);
  }

  /** It has ended, in whatever way its status says. */
  end(message) {
    const retry = () => { if (!this.#handlers.busy()) this.#handlers.retry(message); };
    this.#settle(message.status);
    this.element.dataset.id = message.id;
    this.#reasoning.complete(message.reasoning, message.html !== "");
    patch(this.#body, message.html);
    fill(this.#foot,
      message.note ? h("p", { class: `note ${message.status}`, text: message.note, data: { testid: "note" } }) : null,
      facts(message),
      h("div", { class: "turn-tools" },
        button("Copy", { icon: "copy", kind: "quiet small", testid: "copy", on: () => copyText(message.text) }),
        button("Retry", {
          icon: "retry", kind: "quiet small", testid: "retry", title: `Ask the same again. ${REPLACES}`, on: retry,
        })));
  }

  /** The stream ended without a last word. */
  broke(sentence) {
    this.#settle("failed");
    this.#reasoning.complete(this.#reasoning.text, this.#body.hasChildNodes());
    fill(this.#foot, h("p", { class: "note failed", text: sentence }));
  }

  #settle(status) {
    this.#progress.hidden = true;
    this.element.classList.remove("writing");
    this.element.dataset.status = status;
    this.element.setAttribute("aria-busy", "false");
  }
}
