// The input at the foot: grows with its text, keeps drafts for this tab, shows the context meter, sends and stops.
// Knows nothing of how a question is answered.
import { button, coarsePointer, h, thousands } from "./dom.js";

const key = (conversation) => `llamacare.draft.${conversation.id ?? "new"}`;

function storage(act) {
  try {
    return act(sessionStorage);
  } catch {
    return null; // Storage blocked: drafts live as long as the page.
  }
}

function contextMeter() {
  const bar = h("span", { class: "meter-bar", "aria-hidden": "true" }, h("span"));
  const words = h("span");
  const element = h("p", { class: "meter", hidden: true, title: "How much of the model's context this conversation fills", data: { testid: "meter" } }, bar, words);
  return {
    element,
    show(context) {
      element.hidden = !context;
      if (!context) return;
      const share = Math.min(1, context.used / Math.max(1, context.size));
      bar.firstChild.style.width = `${(100 * share).toFixed(1)}%`;
      element.classList.toggle("full", share > 0.85);
      words.textContent = `${thousands(context.used)} of ${thousands(context.size)} tokens`;
    },
  };
}

export function createComposer({ onSend, onStop }) {
  let current = null;
  const privateDrafts = new WeakMap();
  const field = h("textarea", { class: "composer-field", rows: "1", placeholder: "Ask a medical question", "aria-label": "Your question", data: { testid: "composer" } });
  const sendButton = button("Send", { icon: "send", kind: "primary", testid: "send", on: () => submit() });
  const stopButton = button("Stop", { icon: "stop", kind: "stop", testid: "stop", title: "Stop the answer (Esc)", hidden: true, on: onStop });
  const meter = contextMeter();
  const hint = h("p", { class: "composer-hint", text: coarsePointer() ? "Leave out patient identifiers" : "Enter sends, Shift+Enter makes a new line" });
  const element = h("form", { class: "composer", on: { submit: (event) => { event.preventDefault(); submit(); } } },
    h("div", { class: "composer-box" }, field, h("div", { class: "composer-buttons" }, sendButton, stopButton)),
    h("div", { class: "composer-foot" }, hint, meter.element));

  function fit() {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
    sendButton.disabled = field.value.trim() === "";
  }
  function keepDraft() {
    if (!current) return;
    if (current.private) privateDrafts.set(current, field.value);
    else storage((tab) => (field.value ? tab.setItem(key(current), field.value) : tab.removeItem(key(current))));
  }
  function set(text) {
    field.value = text;
    fit();
  }
  function submit() {
    const text = field.value;
    if (current.running || !text.trim()) return;
    set("");
    keepDraft();
    onSend(text);
    field.focus();
  }

  field.addEventListener("input", () => { fit(); keepDraft(); });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229 || coarsePointer()) return;
    event.preventDefault();
    submit();
  });

  function update(conversation) {
    if (conversation !== current) return;
    stopButton.hidden = !conversation.running;
    sendButton.hidden = Boolean(conversation.running);
    meter.show(conversation.context);
  }

  return {
    element,
    update,
    /** Turn to another conversation, with its own draft. */
    open(conversation) {
      current = conversation;
      set((conversation.private ? privateDrafts.get(conversation) : storage((tab) => tab.getItem(key(conversation)))) ?? "");
      update(conversation);
      if (!coarsePointer()) field.focus({ preventScroll: true });
    },
    /** The open conversation has just got its id: what was typed meanwhile moves with it. */
    adopt(conversation) {
      storage((tab) => tab.removeItem(key({ id: null })));
      if (conversation === current) keepDraft();
    },
    /** A question was refused: its text comes back, before whatever was typed since. */
    giveBack(conversation, text) {
      if (conversation === current) {
        set(field.value.trim() ? `${text}\n\n${field.value}` : text);
        keepDraft();
      } else if (!conversation.private) storage((tab) => tab.setItem(key(conversation), text));
    },
  };
}
