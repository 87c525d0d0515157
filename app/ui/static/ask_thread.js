// The turns of one conversation on the page: title bar, empty state, user turns and answers, notices, following
// the text as it grows. Knows nothing of the network. The only markup it takes is the server's `html`.
import { ANSWER_NAME, answerTurn, userTurn } from "./ask_turn_view.js";
import { button, fill, h, icon } from "./dom.js";

const EXAMPLES = [
  "How do I tell prerenal azotemia from acute tubular necrosis at the bedside and in the urine?",
  "Which antihypertensives should be avoided in pregnancy, and what is used instead?",
  "Compare the mechanisms and typical side effects of SGLT2 inhibitors and GLP-1 receptor agonists.",
  "What belongs in the work-up of an incidentally found adrenal mass?",
];
const NEAR_END_PX = 80;

function emptyState(isPrivate, onExample) {
  return h("section", { class: "empty", data: { testid: "empty" } },
    h("h2", { text: isPrivate ? "A private question" : "What would you like to look up?" }),
    h("p", { class: "lead", text: "Ask a general medical question. The model runs on this machine; nothing you type leaves it." }),
    h("ul", { class: "examples", "aria-label": "Example questions" }, EXAMPLES.map((text) => h("li", {},
      h("button", { type: "button", class: "example", data: { testid: "example" }, on: { click: () => onExample(text) } }, h("span", { text }), icon("next"))))),
    h("p", { class: "caution", text: "Supports a professional, replaces none. Do not rely on it in an emergency: call your local emergency number." }));
}

/** Build the thread of `conversation`; `actions`: onExample, onRetry, onEdit, onExport. */
export function createThread(conversation, actions) {
  const bar = h("div", { class: "thread-bar" });
  const turns = h("div", { class: "turns" });
  const notices = h("div", { class: "notices", role: "alert" });
  const spoken = h("p", { class: "sr-only", role: "status" });
  const scroller = h("div", { class: "scroller", tabindex: "-1" }, h("div", { class: "column" }, turns, notices));
  const jump = button("Jump to latest", { icon: "down", kind: "jump", testid: "jump", hidden: true, on: () => toEnd() });
  const element = h("section", { class: "thread", "aria-label": "Conversation" }, bar, scroller, jump, spoken);
  let following = true;
  let lastTop = 0;

  const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;
  function toEnd() {
    following = true;
    scroller.scrollTop = scroller.scrollHeight;
    lastTop = scroller.scrollTop;
    jump.hidden = true;
  }
  function grown() {
    // A scroll event comes a frame late: text that grows in between must not pull a reader back who has just moved up.
    if (scroller.scrollTop < lastTop && !atEnd()) following = false;
    if (following) toEnd();
    else jump.hidden = atEnd();
  }
  scroller.addEventListener("scroll", () => {
    following = atEnd();
    if (following) jump.hidden = true;
  }, { passive: true });

  const handlers = {
    busy: () => conversation.running !== null,
    retry: (message) => {
      const index = conversation.messages.indexOf(message);
      const asked = message.role === "user" ? message : conversation.messages.slice(0, index).findLast((one) => one.role === "user");
      if (asked) actions.onRetry(conversation, asked);
    },
    edit: (message, text) => actions.onEdit(conversation, message, text),
  };

  function drawTitle() {
    const started = conversation.messages.length > 0 || conversation.private;
    bar.hidden = !started;
    fill(bar,
      conversation.private
        ? h("p", { class: "private-banner", data: { testid: "private-banner" } }, icon("lock"), h("span", { text: "Private: not stored, gone when you leave or reload" }))
        : h("h2", { class: "thread-title", text: conversation.title || "New conversation" }),
      conversation.messages.length === 0 ? null : h("div", { class: "thread-export", role: "group", "aria-label": "Export" },
        h("span", { class: "export-name", text: "Export", "aria-hidden": "true" }),
        button("Markdown", { kind: "quiet small", title: "Export this conversation as Markdown", testid: "export-md", on: () => actions.onExport(conversation, "md") }),
        button("JSON", { kind: "quiet small", title: "Export this conversation as JSON", testid: "export-json", on: () => actions.onExport(conversation, "json") })));
  }

  function draw() {
    const messages = conversation.messages;
    fill(notices);
    if (messages.length === 0) fill(turns, emptyState(conversation.private, (text) => actions.onExample(text)));
    else fill(turns, messages.map((message) => (message.role === "user" ? userTurn(message, handlers) : answerTurn(message, handlers).element)));
    if (messages.at(-1)?.role === "user" && !conversation.running) turns.append(unanswered(messages.at(-1)));
    drawTitle();
  }

  const unanswered = (message) => h("div", { class: "turn note-row" },
    h("p", { class: "note", text: "No answer was kept for this question." }),
    button("Retry", { icon: "retry", kind: "small", testid: "retry", on: () => handlers.retry(message) }));

  /** Show a question and the place of its answer at once, before the server has spoken. */
  function begin(text) {
    conversation.thread.draw();
    if (conversation.messages.length === 0) fill(turns);
    turns.querySelector(".note-row")?.remove();
    const asked = h("div", { class: "pending-slot" }, userTurn({ id: "", role: "user", text }, handlers, true));
    const answer = answerTurn(null, handlers);
    turns.append(asked, answer.element);
    answer.say("Sent. Waiting for the model…");
    spoken.textContent = "Question sent.";
    toEnd();
    return {
      say: (words, share) => { answer.say(words, share); grown(); },
      text: (html) => { answer.text(html); grown(); },
      accepted(user) {
        asked.replaceWith(userTurn(user, handlers));
        drawTitle();
      },
      dropped(count) {
        if (answer.element.previousElementSibling?.dataset.testid === "dropped") return;
        answer.element.before(h("p", { class: "divider-note", role: "note", data: { testid: "dropped" }, text: droppedWords(count) }));
      },
      end(message) {
        answer.end(message);
        spoken.textContent = message.status === "complete" ? `${ANSWER_NAME} complete.` : message.note || "The answer ended early.";
        grown();
      },
      broke: (sentence) => answer.broke(sentence),
    };
  }

  draw();
  return {
    element, draw, drawTitle, begin,
    shown: () => toEnd(),
    edit: (message, text) => turns.querySelector(`[data-id="${CSS.escape(message.id)}"]`)?.dispatchEvent(new CustomEvent("edit-turn", { detail: text })),
    notice(sentence, { label, act } = {}) {
      fill(notices, h("div", { class: "notice", data: { testid: "notice" } }, h("p", { text: sentence }),
        label ? button(label, { kind: "small", on: act }) : null,
        button("Dismiss", { icon: "close", bare: true, kind: "quiet", on: () => fill(notices) })));
      toEnd();
    },
  };
}

const droppedWords = (count) => (count === 1 ? "1 earlier turn no longer fits and was left out" : `${count} earlier turns no longer fit and were left out`);
