// One user turn, one answer, as elements. An answer's markup is the server's safe `html`; everything else is text.
// Knows nothing of the network or of other turns.
import { copyText } from "./dialogs.js";
import { button, coarsePointer, fill, h } from "./dom.js";

export const ANSWER_NAME = "Answer";
const REPLACES = "This replaces everything after it.";

/** A question: text, Copy, Edit (in place). A `pending` one has no buttons yet. */
export function userTurn(message, handlers, pending = false) {
  const body = h("div", { class: "user-text", text: message.text });
  const tools = h("div", { class: "turn-tools" });
  const element = h("article", { class: "turn user", "aria-label": "Your question", data: { testid: "user-turn", id: message.id } }, body, tools);
  const read = () => {
    fill(body, message.text);
    fill(tools, pending ? null : [
      button("Copy", { icon: "copy", kind: "quiet small", testid: "copy-question", on: () => copyText(message.text) }),
      button("Edit", { icon: "edit", kind: "quiet small", testid: "edit", title: `Edit and ask again. ${REPLACES}`, on: () => edit(message.text) }),
    ]);
  };
  const edit = (text) => {
    if (handlers.busy()) return;
    const field = h("textarea", { class: "edit-field", rows: "3", "aria-label": "Edit your question", data: { testid: "edit-field" } });
    field.value = text;
    const save = () => { if (field.value.trim() && !handlers.busy()) handlers.edit(message, field.value); };
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Enter" && !event.shiftKey && !coarsePointer()) { event.preventDefault(); save(); }
      if (event.key === "Escape") { event.stopPropagation(); read(); }
    });
    fill(body, field);
    fill(tools,
      button("Ask again", { kind: "primary small", testid: "edit-save", title: REPLACES, on: save }),
      button("Cancel", { kind: "quiet small", testid: "edit-cancel", on: read }),
      h("span", { class: "tool-note", text: REPLACES }));
    field.focus();
  };
  element.addEventListener("edit-turn", (event) => edit(event.detail));
  read();
  return element;
}

const seconds = (value) => `first word ${value.toFixed(1)} s`;
const speed = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} tokens/s`;

function facts(message) {
  const figures = [
    message.first_token_s === null || message.first_token_s === undefined ? null : seconds(message.first_token_s),
    message.tokens_per_s === null || message.tokens_per_s === undefined ? null : speed(message.tokens_per_s),
  ].filter(Boolean).join(" · ");
  return h("p", { class: "answer-facts", data: { testid: "answer-facts" } },
    message.model ? h("span", { class: "answer-model", text: message.model }) : null,
    h("span", { class: "answer-source", text: message.source || "model knowledge, no source" }),
    figures ? h("span", { class: "answer-speed", text: figures }) : null);
}

/**
 * Put `html` into `target`, leaving untouched the leading blocks that did not change, so that a selection in
 * an earlier paragraph survives and a long answer costs no more than its last block.
 */
function patch(target, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const fresh = [...template.content.childNodes];
  const shown = [...target.childNodes];
  let same = 0;
  while (same < shown.length && same < fresh.length && shown[same].isEqualNode(fresh[same])) same += 1;
  for (const node of shown.slice(same)) node.remove();
  target.append(...fresh.slice(same));
}

/** An answer, growing (message null) or whole. Returns {element, say, text, end, broke}. */
export function answerTurn(message, handlers) {
  const progress = h("p", { class: "progress", data: { testid: "progress" } });
  const body = h("div", { class: "prose", data: { testid: "answer-body" } });
  const foot = h("footer", { class: "answer-foot" });
  const element = h("article", { class: "turn answer", "aria-label": ANSWER_NAME, "aria-busy": "true", data: { testid: "answer", status: "streaming" } }, progress, body, foot);

  function say(words, share) {
    if (element.dataset.status !== "streaming") return;
    progress.hidden = false;
    fill(progress, h("span", { class: "pulse", "aria-hidden": "true" }), h("span", { text: words }));
    if (share === undefined) return;
    const bar = h("span", { class: "progress-bar", "aria-hidden": "true" }, h("span"));
    bar.firstChild.style.width = `${Math.round(100 * share)}%`;
    progress.append(bar);
  }

  function text(html) {
    if (!progress.textContent.startsWith("Stopping")) progress.hidden = true;
    element.classList.add("writing");
    patch(body, html);
  }

  function settle(status) {
    progress.hidden = true;
    element.classList.remove("writing");
    element.dataset.status = status;
    element.setAttribute("aria-busy", "false");
  }

  function end(whole) {
    settle(whole.status);
    element.dataset.id = whole.id;
    patch(body, whole.html);
    fill(foot,
      whole.note ? h("p", { class: `note ${whole.status}`, text: whole.note, data: { testid: "note" } }) : null,
      facts(whole),
      h("div", { class: "turn-tools" },
        button("Copy", { icon: "copy", kind: "quiet small", testid: "copy", on: () => copyText(whole.text) }),
        button("Retry", { icon: "retry", kind: "quiet small", testid: "retry", title: `Ask the same again. ${REPLACES}`, on: () => { if (!handlers.busy()) handlers.retry(whole); } })));
  }

  function broke(sentence) {
    settle("failed");
    fill(foot, h("p", { class: "note failed", text: sentence }));
  }

  if (message?.status === "streaming") {
    say("This answer is still being written…");
    patch(body, message.html);
  } else if (message) end(message);
  return { element, say, text, end, broke };
}
