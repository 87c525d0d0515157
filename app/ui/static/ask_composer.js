// The input at the foot: grows with its text, keeps drafts for this tab, shows the context meter, sends and stops.
// Knows nothing of how a question is answered.
import { button, coarsePointer, h, thousands } from "./dom.js";

const NEARLY_FULL = 0.85; // the meter warns before turns are left out

function storage(act) {
  try {
    return act(sessionStorage);
  } catch {
    return null; // Storage blocked: drafts live as long as the page.
  }
}

/** What was typed and not sent, by conversation. A private one's draft is never stored. */
class Drafts {
  #private = new WeakMap();

  #key(conversation) {
    return `llamacare.draft.${conversation.id ?? "new"}`;
  }

  get(conversation) {
    if (conversation.private) return this.#private.get(conversation) ?? "";
    return storage((tab) => tab.getItem(this.#key(conversation))) ?? "";
  }

  keep(conversation, text) {
    const key = this.#key(conversation);
    if (conversation.private) this.#private.set(conversation, text);
    else storage((tab) => (text ? tab.setItem(key, text) : tab.removeItem(key)));
  }
}

/** How much of the model's context a conversation fills; hidden until the server has counted it. */
class ContextMeter {
  #bar = h("span", { class: "meter-bar", "aria-hidden": "true" }, h("span"));
  #words = h("span");
  element = h("p", {
    class: "meter", hidden: true, data: { testid: "meter" },
    title: "How much of the model's context this conversation fills",
  }, this.#bar, this.#words);

  show(context) {
    this.element.hidden = !context;
    if (!context) return;
    const share = Math.min(1, context.used / Math.max(1, context.size));
    this.#bar.firstChild.style.width = `${(100 * share).toFixed(1)}%`;
    this.element.classList.toggle("full", share > NEARLY_FULL);
    this.#words.textContent = `${thousands(context.used)} of ${thousands(context.size)} tokens`;
  }
}

/**
 * `onSend(text)` asks the question of the open conversation, `onStop()` stops its answer, `onUp()` leaves
 * an empty field for what stands above; `options`: Options, shown below.
 */
export class Composer {
  element;
  #conversation = null;
  #drafts = new Drafts();
  #meter = new ContextMeter();
  #onSend;
  #onUp;
  #field = h("textarea", {
    class: "composer-field", rows: "1", placeholder: "Ask a medical question", "aria-label": "Your question",
    data: { testid: "composer" }, on: { input: () => this.#typed(), keydown: (event) => this.#pressed(event) },
  });
  #send = button("Send", { icon: "send", kind: "primary", testid: "send", on: () => this.#submit() });
  #stop;

  constructor({ onSend, onStop, onUp, options }) {
    this.#onSend = onSend;
    this.#onUp = onUp;
    this.#stop = button("Stop", {
      icon: "stop", kind: "stop", testid: "stop", title: "Stop the answer (Esc)", hidden: true, on: onStop,
    });
    const hint = coarsePointer() ? "Leave out patient identifiers" : "Enter sends, Shift+Enter makes a new line, ↑ goes to the answer";
    this.element = h("form", { class: "composer", on: { submit: (event) => { event.preventDefault(); this.#submit(); } } },
      h("div", { class: "composer-box" }, this.#field, h("div", { class: "composer-buttons" }, this.#send, this.#stop)),
      options.element,
      h("div", { class: "composer-foot" }, options.hint, h("p", { class: "composer-hint", text: hint }), this.#meter.element));
  }

  /** Turn to another conversation, with its own draft. */
  open(conversation) {
    this.#conversation = conversation;
    this.#set(this.#drafts.get(conversation));
    this.update(conversation);
    if (!coarsePointer()) this.#field.focus({ preventScroll: true });
  }

  /** Show whether the conversation is being answered, and how full its context is. */
  update(conversation) {
    if (conversation !== this.#conversation) return;
    this.#stop.hidden = !conversation.running;
    this.#send.hidden = Boolean(conversation.running);
    this.#meter.show(conversation.context);
  }

  /** The open conversation has just got its id: what was typed meanwhile moves with it. */
  adopt(conversation) {
    this.#drafts.keep({ id: null, private: false }, "");
    if (conversation === this.#conversation) this.#keepDraft();
  }

  /** A question was refused: its text comes back, before whatever was typed since. */
  giveBack(conversation, text) {
    if (conversation === this.#conversation) {
      this.#set(this.#field.value.trim() ? `${text}\n\n${this.#field.value}` : text);
      this.#keepDraft();
    } else if (!conversation.private) this.#drafts.keep(conversation, text);
  }

  #typed() {
    this.#fit();
    this.#keepDraft();
  }

  #pressed(event) {
    if (event.key === "ArrowUp" && this.#field.value === "" && !event.isComposing) {
      event.preventDefault();
      this.#onUp();
    }
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229 || coarsePointer()) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = this.#field.value;
    if (this.#conversation.running || !text.trim()) return;
    this.#set("");
    this.#keepDraft();
    this.#onSend(text);
    this.#field.focus();
  }

  #keepDraft() {
    if (this.#conversation) this.#drafts.keep(this.#conversation, this.#field.value);
  }

  #set(text) {
    this.#field.value = text;
    this.#fit();
  }

  #fit() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
    this.#send.disabled = this.#field.value.trim() === "";
  }
}
