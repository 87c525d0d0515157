// What is to be weighed: the question, the pasted text, passages of the library, and how to read. Knows nothing of the answer.
import { button, h, thousands } from "./dom.js";
import { EXAMPLE } from "./evidence_example.js";
import { Passages } from "./evidence_passages.js";

const LONGEST = 60_000; // characters, as app/evidence.py takes
const LONGEST_QUESTION = 1000;
const CAREFUL = "Read in every order of yes, no, maybe (three times slower, and no word is favoured)";

/** `weigh(body)` asks, `stop()` ends the asking. */
export class EvidenceForm {
  #weigh;
  #question = h("textarea", {
    id: "evidence-question", class: "evidence-field", rows: "2", maxlength: String(LONGEST_QUESTION),
    placeholder: "Does … reduce …?", data: { testid: "evidence-question" },
    on: { input: () => this.#update(), keydown: (event) => this.#pressed(event) },
  });
  #text = h("textarea", {
    id: "evidence-text", class: "evidence-field evidence-text", rows: "9", "aria-describedby": "evidence-count",
    placeholder: "Paste an abstract or a paragraph of a guideline", data: { testid: "evidence-text" },
    on: { input: () => this.#update(), keydown: (event) => this.#pressed(event) },
  });
  #count = h("p", { id: "evidence-count", class: "evidence-count", data: { testid: "evidence-count" } });
  #careful = h("input", { type: "checkbox", id: "evidence-careful", data: { testid: "evidence-careful" } });
  #go = button("Weigh it", { kind: "primary", testid: "evidence-go", title: "Weigh it (Ctrl+Enter)", on: () => this.#submit() });
  #stop = button("Stop", { icon: "stop", kind: "stop", testid: "evidence-stop", title: "Stop (Esc)", hidden: true });
  #example = button("Try a made-up example", { kind: "quiet", testid: "evidence-example", on: () => this.#fillExample() });
  #passages = new Passages(() => this.#update());
  element = h("form", {
    class: "evidence-form", "aria-label": "What to weigh", on: { submit: (event) => { event.preventDefault(); this.#submit(); } },
  },
  h("label", { for: "evidence-question", text: "A question that yes or no answers" }), this.#question,
  h("label", { for: "evidence-text", text: "The text that should answer it" }), this.#text, this.#count,
  this.#passages.element,
  h("label", { class: "check", for: "evidence-careful" }, this.#careful, h("span", { text: CAREFUL })),
  h("div", { class: "evidence-moves" }, this.#go, this.#stop, this.#example));

  constructor({ weigh, stop }) {
    this.#weigh = weigh;
    this.#stop.addEventListener("click", stop);
    this.#update();
  }

  /** Take a question and passages, as a link gave them. Returns the sentences of what could not be had. */
  async take(question, ids) {
    if (question) this.#question.value = question.slice(0, LONGEST_QUESTION);
    this.#passages.clear();
    const problems = await this.#passages.take(ids);
    this.#update();
    return problems;
  }

  focus() {
    this.#question.focus({ preventScroll: true });
  }

  /** Whether a weighing runs now. */
  set running(on) {
    const held = [this.#go, this.#stop].includes(document.activeElement);
    this.#go.hidden = on;
    this.#stop.hidden = !on;
    this.#example.disabled = on;
    if (held) (on ? this.#stop : this.#go).focus({ preventScroll: true });
  }

  #fillExample() {
    this.#question.value = EXAMPLE.question;
    this.#text.value = EXAMPLE.text;
    this.#passages.clear();
    this.#update();
    this.#go.focus({ preventScroll: true });
  }

  #update() {
    const size = [...this.#text.value].length;
    const over = size > LONGEST;
    this.#count.textContent = `${thousands(size)} of ${thousands(LONGEST)} characters`
      + (over ? ": too long, keep the part that bears on the question" : "");
    this.#count.classList.toggle("over", over);
  }

  #pressed(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      this.#submit();
    }
  }

  #submit() {
    if (this.#go.hidden) return;
    this.#weigh({
      question: this.#question.value, text: this.#text.value, passages: this.#passages.ids, careful: this.#careful.checked,
    });
  }
}
