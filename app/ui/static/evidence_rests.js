// The sentences that the reading rests on: how far the leaving out is, the strongest in words, and the text with them marked.
// The sign stands in words and in the mark's line, never in a colour alone.
import { fill, h, lessMotion } from "./dom.js";
import { isFolded, percent } from "./readout.js";
import { stretch } from "./spans.js";

const STRONGEST = 5;
const NONE = "No single sentence moves the reading by a point: it rests on none of them alone.";
const UNEARNED = "The reading has no measured skill, so these marks have none either.";

const says = ({ shift }, answer) => (shift < 0 ? `speaks for “${answer}”` : `speaks against “${answer}”`);

/** "52 % → 40 %" */
const change = ({ shift }, share) => `${percent(share)} → ${percent(Math.min(1, Math.max(0, share + shift)))}`;

function chip(sentence, answer) {
  const sign = sentence.shift < 0 ? "+" : "−";
  return h("span", { class: "rest-chip", text: `${sign}${sentence.rank}`, "aria-hidden": "true", title: says(sentence, answer) });
}

function mark(sentence, answer) {
  return h("mark", {
    class: sentence.shift < 0 ? "rest for" : "rest against", id: `rest-${sentence.rank}`, tabindex: "-1",
    "aria-label": `${sentence.rank}: ${says(sentence, answer)}. ${sentence.text}`, role: "note",
    data: { testid: "rest", rank: String(sentence.rank), sign: sentence.shift < 0 ? "for" : "against" },
  }, sentence.text, chip(sentence, answer));
}

/** The text as nodes, its strongest sentences marked. */
function markedText(context, strongest, answer) {
  const nodes = [];
  let at = 0;
  for (const sentence of [...strongest].sort((one, other) => one.start - other.start)) {
    nodes.push(document.createTextNode(stretch(context, at, sentence.start)), mark(sentence, answer));
    at = sentence.end;
  }
  return [...nodes, document.createTextNode(stretch(context, at, context.length))];
}

function toMark(rank) {
  const found = document.getElementById(`rest-${rank}`);
  found?.focus({ preventScroll: true });
  found?.scrollIntoView({ block: "center", behavior: lessMotion() ? "auto" : "smooth" });
}

function line(sentence, answer, share) {
  return h("li", { data: { testid: "rest-line", rank: String(sentence.rank) } },
    h("button", { type: "button", class: "rest-line", on: { click: () => toMark(sentence.rank) } },
      h("strong", { text: `${sentence.rank}. ${says(sentence, answer)}` }),
      h("span", { text: ` · without it “${answer}” ${change(sentence, share)}` }),
      h("span", { class: "rest-text", text: sentence.text })));
}

export class Rests {
  #verdict = null;
  #words = h("p", { class: "evidence-progress", role: "status", data: { testid: "evidence-progress" } });
  #bar = h("progress", { class: "evidence-bar", "aria-label": "Sentences left out", hidden: true });
  #body = h("div", { data: { testid: "rests" }, hidden: true });
  element = h("section", { class: "evidence-rests", hidden: true, "aria-label": "What the reading rests on" },
    this.#words, this.#bar, this.#body);

  clear() {
    this.element.hidden = true;
    this.#body.hidden = true;
    this.#bar.hidden = true;
    this.#words.textContent = "";
  }

  /** The sentences of this reading come next. */
  begin(verdict) {
    this.#verdict = verdict;
  }

  progress(done, total) {
    this.element.hidden = false;
    this.#bar.hidden = false;
    this.#bar.max = total;
    this.#bar.value = done;
    const words = done ? "Leaving out one sentence at a time…" : `Leaving out each of ${total} sentences in turn…`;
    if (this.#words.textContent !== words) this.#words.textContent = words;
  }

  stopped() {
    this.#bar.hidden = true;
    this.#words.textContent = this.element.hidden ? "" : "Stopped: not every sentence was left out, so none is marked.";
  }

  show({ sentences, context }) {
    const { choice: answer, probabilities } = this.#verdict;
    const folded = isFolded(this.#verdict);
    const strongest = sentences.filter(({ rank }) => rank > 0 && rank <= STRONGEST).sort((one, other) => one.rank - other.rank);
    this.#bar.hidden = true;
    this.#words.textContent = strongest.length ? "" : NONE;
    this.element.hidden = false;
    this.#body.hidden = false;
    const content = [
      folded ? h("p", { class: "evidence-notice", text: UNEARNED }) : null,
      strongest.length ? h("ol", { class: "rest-lines" }, strongest.map((one) => line(one, answer, probabilities[answer]))) : null,
      h("h3", { text: "The text as it was read" }),
      h("div", { class: "rest-context", data: { testid: "rest-context" } }, markedText(context, strongest, answer)),
    ];
    const name = "The sentences that it rests on";
    fill(this.#body, folded
      ? h("details", { class: "fold", data: { testid: "rests-fold" } }, h("summary", { text: name }), content.filter(Boolean))
      : [h("h2", { text: name }), ...content]);
  }
}
