// The start page's form for a session of one's own: what is chosen, how many questions match, and what Start will do.
// Remembers the last choice on this browser. Knows nothing of sessions but the selection they are made of.
import { call } from "./api.js";
import { button, h } from "./dom.js";
import { cardGroup, chipGroup } from "./practise_chips.js";
import { clockText } from "./practise_clock.js";
import { PACE_S } from "./practise_after.js";
import { keepSelection, lastSelection } from "./prefs.js";

const WAIT_MS = 250; // after the last change, before the server is asked how many match
const BLOCK_ITEMS = 20;
const LISTS = ["systems", "subjects", "steps", "statuses"];
const STATUSES = ["unused", "wrong", "flagged", "due", "sure_wrong", "disagreement"];
const MODES = [
  { value: "tutor", label: "Tutor", words: "No limit. The verdict at once, with hints before and explanations after it." },
  { value: "timed", label: "Timed", words: "One block, 90 seconds a question. Pause when you must; the verdicts come at the end." },
  { value: "exam", label: "Exam", words: "Blocks of 20 in 30 minutes that stay closed afterwards, as on the day. No pause, no hints." },
];
const SOURCES = [{ value: "all", label: "All questions" }, { value: "bank", label: "The bundled bank" }, { value: "own", label: "Your own" }];

/** What the first visit offers. */
export const USUAL = { mode: "tutor", count: 10, systems: [], subjects: [], steps: [], statuses: [], own: "all", topic: "" };

const number = (name, label, value, most) => {
  const input = h("input", { type: "number", name, min: "1", max: String(most), value: String(value), inputmode: "numeric", data: { testid: name } });
  return h("label", { class: "number-field" }, h("span", { text: label }), input);
};

const questions = (count) => `${count} ${count === 1 ? "question" : "questions"}`;

export class SelectionForm {
  element;
  #onStart;
  #matching = h("p", { class: "matching", role: "status", data: { testid: "matching" } });
  #start = button("Start", { kind: "primary", testid: "start", type: "submit" });
  #matches = null;
  #timer = 0;
  #asked = 0;

  /** `overview` as the server gives it; `onStart` takes a selection. `topic` fills in that field and leaves the rest open. */
  constructor(overview, { onStart, topic }) {
    this.#onStart = onStart;
    const chosen = { ...USUAL, ...(topic ? { topic } : lastSelection()) };
    const tallies = (rows) => rows.map(({ name, total }) => ({ name, total }));
    const statuses = STATUSES.map((name) => ({ name, total: overview.counts[name] })).filter(({ name, total }) => total || name === "unused");
    this.element = h("form", {
      class: "start-form", "aria-labelledby": "form-heading", data: { testid: "start-form" },
      on: { submit: (event) => { event.preventDefault(); this.#submit(); }, input: () => this.#changed() },
    },
    h("h3", { id: "form-heading", text: "A session of your own" }),
    cardGroup("mode", "Mode", MODES, chosen.mode),
    h("div", { class: "numbers" },
      number("count", "Number of questions", Math.min(chosen.count, 400), 400),
      number("blocks", `Blocks of ${BLOCK_ITEMS}`, Math.min(7, Math.ceil(chosen.count / BLOCK_ITEMS)), 7)),
    chipGroup("statuses", "Which questions", statuses, chosen.statuses),
    chipGroup("systems", "Systems", tallies(overview.systems), chosen.systems),
    h("details", { class: "more-choices", open: Boolean(chosen.subjects.length || chosen.steps.length || chosen.topic) },
      h("summary", { text: "Subjects, steps, topic" }),
      chipGroup("subjects", "Subjects", tallies(overview.subjects), chosen.subjects),
      chipGroup("steps", "Steps", tallies(overview.steps), chosen.steps),
      h("label", { class: "topic-field" }, h("span", { text: "Topic" }),
        h("input", { type: "text", name: "topic", value: chosen.topic, maxlength: "500", placeholder: "heart failure", data: { testid: "topic" } }))),
    overview.own ? cardGroup("own", "Source", SOURCES, chosen.own) : null,
    h("div", { class: "start-row" }, this.#start, this.#matching));
    this.#show();
    this.#ask();
  }

  focusStart() {
    this.#start.focus();
  }

  /** What the form says now. */
  selection() {
    const data = new FormData(this.element);
    const mode = data.get("mode");
    const typed = Math.round(Number(data.get(mode === "exam" ? "blocks" : "count"))) || 1;
    const count = mode === "exam" ? BLOCK_ITEMS * Math.min(7, Math.max(1, typed)) : Math.min(400, Math.max(1, typed));
    const lists = Object.fromEntries(LISTS.map((name) => [name, data.getAll(name)]));
    return { mode, count, ...lists, own: data.get("own") ?? "all", topic: data.get("topic").trim() };
  }

  #changed() {
    this.#show();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), WAIT_MS);
  }

  async #ask() {
    const mine = ++this.#asked;
    try {
      const { matching } = await call("POST", "/api/practise/matching", this.selection());
      if (mine !== this.#asked) return;
      this.#matches = matching;
      this.#matching.textContent = matching ? `${questions(matching)} ${matching === 1 ? "matches" : "match"}`
        : "No question matches. Take a restriction away.";
    } catch (error) {
      if (mine !== this.#asked) return;
      this.#matches = null;
      this.#matching.textContent = error.message;
    }
    this.#show();
  }

  /** The field of the mode's number, and what Start will do. */
  #show() {
    const { mode, count } = this.selection();
    this.element.querySelector(".numbers").dataset.mode = mode;
    for (const name of ["count", "blocks"]) {
      this.element.elements[name].closest("label").hidden = (name === "blocks") !== (mode === "exam");
    }
    const total = Math.min(count, this.#matches ?? count);
    const time = mode === "tutor" ? "" : ` · ${clockText(1000 * PACE_S * total)}`;
    this.#start.disabled = this.#matches === 0;
    this.#start.lastChild.textContent = `Start ${questions(total)}${time}`;
  }

  #submit() {
    const selection = this.selection();
    keepSelection({ ...selection, topic: "" });
    if (this.#matches !== 0) this.#onStart(selection);
  }
}
