// "Ask about this item": the panel with what was asked and answered, and the field to ask more. Each item has its own talk,
// which goes on while the reader looks at another item. Knows nothing of how an answer comes.
import { button, coarsePointer, fill, h } from "./dom.js";
import { Panel } from "./practise_panel.js";
import { itemPath } from "./practise_paths.js";
import { Talk } from "./practise_talk.js";

const LONGEST = 2000; // characters
const BEFORE = "Before you commit it gives hints, not the answer. It is told the question and its hints, but not the key.";
const AFTER = "It is told this item's text, key and explanations.";
const STARTERS = {
  before: ["What should I look at first?", "What does this question ask for?", "Which finding matters most?"],
  after: ["Why is my answer not the best one?", "Explain the mechanism step by step.", "What would make another answer right?"],
};
const STARTERS_RIGHT = STARTERS.after.slice(1);

function starters({ attempt }) {
  if (!attempt) return STARTERS.before;
  return attempt.correct ? STARTERS_RIGHT : STARTERS.after;
}

export class Tutor {
  #talks = new Map(); // by item: another tab's answer brings another work on the same item
  #work = null;
  #panel = new Panel({ name: "Ask about this item", testid: "tutor-panel", opener: "tutor-open" });
  #terms = h("p", { class: "panel-note", data: { testid: "tutor-terms" } });
  #place = h("div", { class: "tutor-talk" });
  #offers = h("div", { class: "tutor-offers", role: "group", "aria-label": "Ways to begin" });
  #failure = h("div", { role: "alert" });
  #field = h("textarea", {
    class: "tutor-field", rows: "2", maxlength: String(LONGEST), "aria-label": "Your question about this item",
    placeholder: "Ask about this item", data: { testid: "tutor-text" },
    on: { keydown: (event) => this.#pressed(event), input: () => this.#update() },
  });
  #send = button("Send", { icon: "send", kind: "primary", testid: "tutor-send", on: () => this.#ask(this.#field.value) });
  #stop = button("Stop", { icon: "stop", kind: "stop", testid: "tutor-stop", hidden: true, on: () => this.#talk.stop() });
  element = this.#panel.element;

  #hinted;

  /** `hinted(work)` is called when an answer has opened one of the item's hints. */
  constructor(hinted) {
    this.#hinted = hinted;
    this.#panel.body.append(this.#terms, this.#place, this.#offers, this.#failure,
      h("div", { class: "tutor-composer" }, this.#field, this.#send, this.#stop));
  }

  open(work) {
    this.#turnTo(work);
    this.#panel.show(() => this.#field.focus({ preventScroll: true }));
  }

  close() {
    this.#panel.hide();
  }

  /** The item shown is now that of `work`, or it was committed. */
  draw(work, offered) {
    if (!offered) this.close();
    else if (this.#panel.open) this.#turnTo(work);
  }

  get #talk() {
    const path = itemPath(this.#work);
    const changed = () => { if (path === itemPath(this.#work)) this.#update(); };
    if (!this.#talks.has(path)) this.#talks.set(path, new Talk(this.#work, changed, this.#hinted));
    return this.#talks.get(path);
  }

  #turnTo(work) {
    const another = !this.#work || itemPath(work) !== itemPath(this.#work);
    this.#work = work;
    if (another) {
      this.#field.value = "";
      fill(this.#place, this.#talk.element);
    }
    this.#talk.load();
    this.#terms.textContent = work.item.attempt ? AFTER : BEFORE;
    this.#update();
  }

  #update() {
    const { running, failure, empty } = this.#talk;
    this.#place.hidden = empty;
    this.#offers.hidden = !empty;
    fill(this.#offers, starters(this.#work.item).map((text) =>
      button(text, { kind: "small offer", testid: "tutor-offer", on: () => this.#ask(text) })));
    fill(this.#failure, failure ? h("p", { class: "tutor-failure", text: failure }) : null);
    const held = this.element.contains(document.activeElement) && [this.#send, this.#stop].includes(document.activeElement);
    this.#send.hidden = running;
    this.#stop.hidden = !running;
    this.#send.disabled = this.#field.value.trim() === "";
    if (held) this.#field.focus({ preventScroll: true });
  }

  #pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229 || coarsePointer()) return;
    event.preventDefault();
    this.#ask(this.#field.value);
  }

  async #ask(text) {
    const talk = this.#talk;
    if (talk.running || !text.trim()) return;
    this.#field.value = "";
    this.#field.focus({ preventScroll: true });
    const taken = await talk.ask(text.trim());
    if (!taken && talk === this.#talk && !this.#field.value) this.#field.value = text;
    this.#update();
  }
}
