// The turns of one conversation on the page: title bar, empty state, user turns and answers, notices.
// Knows nothing of the network or of markup: ask_turn_view draws a turn, ask_scroller follows the text as it grows.
import { practiceOn } from "./ask_conversation.js";
import { FollowingScroller } from "./ask_scroller.js";
import { ANSWER_NAME, AnswerTurn, userTurn } from "./ask_turn_view.js";
import { button, fill, h, icon } from "./dom.js";

const EXAMPLES = [
  "How do I tell prerenal azotemia from acute tubular necrosis at the bedside and in the urine?",
  "Which antihypertensives should be avoided in pregnancy, and what is used instead?",
  "Compare the mechanisms and typical side effects of SGLT2 inhibitors and GLP-1 receptor agonists.",
  "What belongs in the work-up of an incidentally found adrenal mass?",
];
const LEAD = "Ask a general medical question. The model runs on this machine; nothing you type leaves it.";
const CAUTION = "Supports a professional, replaces none. Do not rely on it in an emergency: call your local emergency number.";

function emptyState(isPrivate, onExample) {
  const example = (text) => h("li", {},
    h("button", { type: "button", class: "example", data: { testid: "example" }, on: { click: () => onExample(text) } },
      h("span", { text }), icon("next")));
  return h("section", { class: "empty", data: { testid: "empty" } },
    h("h2", { text: isPrivate ? "A private question" : "What would you like to look up?" }),
    h("p", { class: "lead", text: LEAD }),
    h("ul", { class: "examples", "aria-label": "Example questions" }, EXAMPLES.map(example)),
    h("p", { class: "caution", text: CAUTION }));
}

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

/** A question just sent and the place of its answer: shown at once, filled as the server speaks. */
class PendingTurn {
  #question = h("div", { class: "pending-slot" });
  #answer;
  #handlers;
  #thread;
  #thinking = false;

  /** `thread`: turns (the element), grown(), titled(), speak(words). */
  constructor(text, handlers, thread) {
    this.#handlers = handlers;
    this.#thread = thread;
    this.#answer = new AnswerTurn(null, handlers);
    this.#question.append(userTurn({ id: "", role: "user", text }, handlers, true));
    thread.turns.append(this.#question, this.#answer.element);
    this.#answer.say("Sent. Waiting for the model…");
    thread.speak("Question sent.");
  }

  say(words, share) {
    this.#answer.say(words, share);
    this.#thread.grown();
  }

  /** `event`: html and reasoning, as AnswerTurn takes them. */
  text(event) {
    if (event.reasoning && !this.#thinking) this.#thread.speak("The model is thinking.");
    this.#thinking ||= Boolean(event.reasoning);
    this.#answer.text(event);
    this.#thread.grown();
  }

  accepted(user) {
    this.#question.replaceWith(userTurn(user, this.#handlers));
    this.#thread.titled();
  }

  /** `count` earlier turns did not fit into the context; said once, above the answer. */
  dropped(count) {
    if (this.#answer.element.previousElementSibling?.dataset.testid === "dropped") return;
    const turns = count === 1 ? "1 earlier turn no longer fits and was" : `${count} earlier turns no longer fit and were`;
    this.#answer.element.before(
      h("p", { class: "divider-note", role: "note", data: { testid: "dropped" }, text: `${turns} left out` }));
  }

  end(message) {
    this.#answer.end(message);
    const early = message.note || "The answer ended early.";
    this.#thread.speak(message.status === "complete" ? `${ANSWER_NAME} complete.` : early);
    this.#thread.grown();
  }

  broke(sentence) {
    this.#answer.broke(sentence);
  }
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
  #handlers = {
    busy: () => this.#conversation.running !== null,
    retry: (message) => this.#retry(message),
    edit: (message, text) => this.#actions.onEdit(this.#conversation, message, text),
    practise: (text) => ({ href: practiceOn(this.#conversation, text), blank: this.#conversation.private }),
  };

  /** `actions`: onExample(text), onRetry(conversation, message), onEdit(..., text), onExport(conversation, format). */
  constructor(conversation, actions) {
    this.#conversation = conversation;
    this.#actions = actions;
    this.draw();
  }

  draw() {
    const { messages, private: isPrivate, running } = this.#conversation;
    const last = messages.at(-1);
    fill(this.#notices);
    if (messages.length === 0) fill(this.#turns, emptyState(isPrivate, (text) => this.#actions.onExample(text)));
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
    this.draw();
    if (this.#conversation.messages.length === 0) fill(this.#turns);
    this.#turns.querySelector(".note-row")?.remove();
    const pending = new PendingTurn(text, this.#handlers, {
      turns: this.#turns,
      grown: () => this.#scroller.grown(),
      titled: () => this.drawTitle(),
      speak: (words) => { this.#spoken.textContent = words; },
    });
    this.#scroller.toEnd();
    return pending;
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
    const { messages } = this.#conversation;
    const upTo = messages.slice(0, messages.indexOf(message));
    const asked = message.role === "user" ? message : upTo.findLast((one) => one.role === "user");
    if (asked) this.#actions.onRetry(this.#conversation, asked);
  }
}
