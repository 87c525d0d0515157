// Adding a file of questions: choose or drop it, see what is in it, add it. Nothing is kept before "Add".
import { button, fill, h } from "./dom.js";
import { previewBlock } from "./practise_questions_preview.js";
import { Sending, showProblem } from "./practise_questions_progress.js";
import { upload } from "./practise_questions_upload.js";
import { counted } from "./practise_results_words.js";

const LAYOUTS = [
  ["auto", "Find out by itself"], ["csv", "Table (CSV)"], ["own", "JSON Lines of LlamaCare"], ["medqa", "MedQA"],
  ["medmcqa", "MedMCQA"],
];
const ENDINGS = ".csv,.tsv,.txt,.json,.jsonl,.ndjson";
const LEAD = "A table (CSV) or JSON Lines, also in the layouts of MedQA and MedMCQA. The file stays with this application; you "
  + "see how its questions will be graded before anything is added.";

export class ImportPanel {
  #added;
  #practise;
  #file = null;
  #sending = null;
  #input = h("input", { type: "file", id: "import-file", accept: ENDINGS, data: { testid: "import-file" } });
  #layout = h("select", { id: "import-layout", data: { testid: "import-layout" } },
    LAYOUTS.map(([value, text]) => h("option", { value, text })));
  #below = h("div", { class: "own-below" });
  #drop = h("div", { class: "own-drop" },
    h("p", { text: "Choose a file, or drop it here." }),
    h("div", { class: "own-fields" },
      h("div", { class: "own-field" }, h("label", { for: "import-file", text: "File of questions" }), this.#input),
      h("div", { class: "own-field" }, h("label", { for: "import-layout", text: "Layout" }), this.#layout)));
  element = h("section", { class: "own-section", "aria-labelledby": "own-import" },
    h("h3", { id: "own-import", text: "Add questions" }), h("p", { class: "own-note", text: LEAD }),
    h("p", { class: "own-note" }, "Files to start from: ", template("csv", "table (CSV)"), ", ", template("jsonl", "JSON Lines")),
    this.#drop, this.#below);

  /** added(report) is called once questions were added; practise() where the reader wants to answer them. */
  constructor({ added, practise }) {
    this.#added = added;
    this.#practise = practise;
    this.#input.addEventListener("change", () => this.#choose(this.#input.files[0]));
    this.#layout.addEventListener("change", () => this.#preview());
    this.#drop.addEventListener("dragover", (event) => this.#over(event, true));
    this.#drop.addEventListener("dragleave", (event) => this.#over(event, this.#drop.contains(event.relatedTarget)));
    this.#drop.addEventListener("drop", (event) => {
      this.#over(event, false);
      this.#choose(event.dataTransfer.files[0]);
    });
  }

  #over(event, over) {
    event.preventDefault();
    this.#drop.classList.toggle("over", over);
  }

  #choose(file) {
    if (!file) return;
    this.#file = file;
    this.#preview({ focus: true });
  }

  /** Send the file to `place` of the server; its answer, or null where that was cancelled or refused. */
  async #send(place) {
    this.#sending?.stop();
    const sending = new Sending(() => this.#reset(), "import-cancel");
    const held = this.#below.contains(document.activeElement);
    this.#sending = sending;
    fill(this.#below, sending.element);
    if (held) sending.focus();
    try {
      const report = await upload(`/api/practise/own/${place}?layout=${this.#layout.value}`, this.#file, sending);
      return sending === this.#sending ? report : null;
    } catch (error) {
      if (sending === this.#sending) this.#refused(error.message);
      return null;
    }
  }

  async #preview({ focus = false } = {}) {
    if (!this.#file) return;
    const report = await this.#send("preview");
    if (!report) return;
    fill(this.#below, previewBlock(report, { add: () => this.#add(), cancel: () => this.#reset() }));
    if (focus) this.#below.querySelector("h4").focus();
  }

  async #add() {
    const report = await this.#send("import");
    if (!report) return;
    const sentence = `${counted(report.added, "question")} added from ${report.file}.`;
    this.#clear();
    const go = button("Practise your questions", { icon: "next", kind: "primary", testid: "own-practise", on: this.#practise });
    fill(this.#below, h("div", { class: "own-said", role: "status", tabindex: "-1", data: { testid: "import-said" } },
      h("p", { text: sentence }), h("div", { class: "own-moves" }, go)));
    this.#below.firstChild.focus();
    this.#added(report);
  }

  #refused(sentence) {
    showProblem(this.#below, sentence);
    this.#input.value = ""; // so that the same file, once corrected, can be chosen again
    if (document.activeElement === document.body) this.#input.focus();
  }

  #clear() {
    this.#file = null;
    this.#sending = null;
    this.#input.value = "";
  }

  #reset() {
    this.#clear();
    fill(this.#below);
    this.#input.focus();
  }
}

function template(kind, text) {
  const name = `/api/practise/own/template.${kind}`;
  return h("a", { href: name, download: `llamacare-questions.${kind}`, text, data: { testid: `template-${kind}` } });
}
