// The turns of one conversation on the page: title bar, empty state, questions and answers, notices.
// Knows nothing of the network or of markup: ask_turn_view draws an answer, ask_scroller follows the text as it grows.
import { askedBy, practiceOn, weighing } from "./ask_conversation.js";
import { emptyState } from "./ask_empty.js";
import { PendingTurn } from "./ask_pending.js";
import { openReport } from "./ask_report.js";
import { reported } from "./ask_reported.js";
import { FollowingScroller } from "./ask_scroller.js";
import { AnswerTurn } from "./ask_turn_view.js";
import { userTurn } from "./ask_user_turn.js";
import { button, fill, h, icon } from "./dom.js";

function title(conversation) {
  if (!conversation.private) return h("h2", { class: "thread-title", text: conversation.title || "New conversation" });
  return h("p", { class: "private-banner", data: { testid: "private-banner" } },
    icon("lock"), h("span", { text: "Private: not stored, gone when you leave or reload" }));
}

/** The buttons that export it; `onExport(format)`. */
function exportButtons(onExport) {
  const save = (label, format) => button(label, {
    kind: "quiet small", title: `Export this conversation as ${label}`, testid: `export-${format}`, on: () => onExport(format),
  });
  return h("div", { class: "thread-export", role: "group", "aria-label": "Export" },
    h("span", { class: "export-name", text: "Export", "aria-hidden": "true" }), save("Markdown", "md"), save("JSON", "json"));
}

export class Thread {
  #conversation;
  #actions;
  #bar = h("div", { class: "thread-bar" });
  #turns = h("div", { class: "turns" });
  #notices = h("div", { class: "notices", role: "alert" });
  #spoken = h("p", { class: "sr-only", role: "status" });
  #scroller = new FollowingScroller(this.#turns, this.#notices);
  element = h("section", { class: "thread", "aria-label": "Conversation" },
    this.#bar, this.#scroller.element, this.#scroller.jump, this.#spoken);
  #handlers;

  /**
   * `actions`: onAsk(text), onRetry(conversation, message), onEdit(..., text), onAssume(..., template, values),
   * onExport(conversation, format); `known`: settings (AskSettings) and shapes (Shapes).
   */
  constructor(conversation, actions, known) {
    this.#conversation = conversation;
    this.#actions = actions;
    this.#handlers = this.#makeHandlers(known);
    this.draw();
  }

  #makeHandlers({ settings, shapes }) {
    const conversation = this.#conversation;
    return {
      settings, shapes,
      busy: () => conversation.running !== null,
      retry: (message) => this.#retry(message),
      edit: (message, text) => this.#actions.onEdit(conversation, message, text),
      assume: (message, template, values) => this.#actions.onAssume(conversation, message, template, values),
      follow: (text) => this.#actions.onAsk(text),
      practise: (text) => ({ href: practiceOn(conversation, text), blank: conversation.private }),
      weigh: (message, passages) => ({ href: weighing(conversation, message, passages), blank: conversation.private }),
      report: (message) => openReport(reported(conversation, message)),
    };
  }

  draw() {
    const { messages, private: isPrivate, running } = this.#conversation;
    const last = messages.at(-1);
    fill(this.#notices);
    if (messages.length === 0) fill(this.#turns, emptyState(isPrivate, this.#handlers.follow));
    else fill(this.#turns, messages.map((message) => this.#turn(message)));
    if (last?.role === "user" && !running) this.#turns.append(this.#unanswered(last));
    this.drawTitle();
  }

  drawTitle() {
    const conversation = this.#conversation;
    const begun = conversation.messages.length > 0;
    this.#bar.hidden = !begun && !conversation.private;
    fill(this.#bar, title(conversation),
      begun ? exportButtons((format) => this.#actions.onExport(conversation, format)) : null);
  }

  /** It has come into view. */
  shown() {
    this.#scroller.toEnd();
  }

  /** Show a question and the place of its answer at once, before the server has spoken. */
  begin(text) {
    const focused = this.#turns.contains(document.activeElement);
    this.draw();
    if (this.#conversation.messages.length === 0) fill(this.#turns);
    this.#turns.querySelector(".note-row")?.remove();
    const pending = new PendingTurn(text, this.#handlers, {
      turns: this.#turns,
      grown: () => this.#scroller.grown(),
      hold: (element) => this.#scroller.holdAt(element),
      titled: () => this.drawTitle(),
      speak: (words) => { this.#spoken.textContent = words; },
    });
    if (focused) pending.focus(); // the button that was pressed is gone
    this.#scroller.toEnd();
    return pending;
  }

  /** Put the focus on the last answer, so that Tab leads to its sources. */
  focusAnswer() {
    [...this.#turns.querySelectorAll(".answer")].at(-1)?.focus();
  }

  /** Open a user turn for editing, with `text` in its field. */
  edit(message, text) {
    const turn = this.#turns.querySelector(`[data-id="${CSS.escape(message.id)}"]`);
    turn?.dispatchEvent(new CustomEvent("edit-turn", { detail: text }));
  }

  /** Say something below the turns, with one button to do about it. */
  notice(sentence, { label, act } = {}) {
    fill(this.#notices, h("div", { class: "notice", data: { testid: "notice" } }, h("p", { text: sentence }),
      label ? button(label, { kind: "small", on: act }) : null,
      button("Dismiss", { icon: "close", bare: true, kind: "quiet", on: () => fill(this.#notices) })));
    this.#scroller.toEnd();
  }

  #turn(message) {
    if (message.role === "user") return userTurn(message, this.#handlers);
    return new AnswerTurn(message, this.#handlers).element;
  }

  #unanswered(message) {
    return h("div", { class: "turn note-row" },
      h("p", { class: "note", text: "No answer was kept for this question." }),
      button("Retry", { icon: "retry", kind: "small", testid: "retry", on: () => this.#retry(message) }));
  }

  /** Ask again what led to `message`, an answer, or the question itself. */
  #retry(message) {
    const asked = askedBy(this.#conversation, message);
    if (asked) this.#actions.onRetry(this.#conversation, asked);
  }
}
