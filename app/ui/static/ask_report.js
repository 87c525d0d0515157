// The dialog that reports an answer as wrong or unsafe. It says what will be kept before anything is sent.
import { call } from "./api.js";
import { button, fill, h } from "./dom.js";

const KINDS = [
  ["wrong", "It is wrong"],
  ["unsafe", "It is unsafe"],
  ["citation", "A source does not say this"],
  ["outdated", "It is out of date"],
  ["other", "Something else"],
];
const LONGEST = 4000; // characters
const EMPTY = "The report is empty. Tick what is wrong with the answer, or say it in words.";
const PLACE = "It stays on this machine, where the administrator can read it, also after you delete the conversation.";

/** What the server will hold, in words; of a private answer, which it holds nowhere yet, the text itself. */
function keeping(kept) {
  const list = h("ul", { class: "report-list" }, [
    "what you tick and write here",
    "your question and this answer, with the model's draft",
    "the passages that it quotes",
    kept ? "what the model was given for it" : "what the model was given: the messages before this one too",
    "the model's name and file, and the time",
  ].map((text) => h("li", { text })));
  if (!kept) return [list];
  const text = [kept.question, kept.answer].filter(Boolean).join("\n\n");
  return [
    h("p", { class: "note", text: "This conversation is private. Sending the report keeps this part of it." }), list,
    h("p", { class: "report-text", tabindex: "0", role: "region", "aria-label": "Question and answer", text }),
  ];
}

class ReportDialog {
  #about;
  #boxes = KINDS.map(([value]) => h("input", { type: "checkbox", value, data: { testid: `report-${value}` } }));
  #text = h("textarea", {
    class: "report-field", rows: "4", maxlength: String(LONGEST), "aria-describedby": "report-place", data: { testid: "report-text" },
  });
  #problem = h("p", { class: "report-problem", role: "alert", data: { testid: "report-problem" } });
  #send = button("Send report", { kind: "primary", testid: "report-send", on: () => this.#submit() });
  #cancel = button("Cancel", { testid: "report-cancel", on: () => this.element.close() });
  element = h("dialog", { class: "dialog report", "aria-labelledby": "report-heading", data: { testid: "report-dialog" } });
  closed;

  constructor(about) {
    this.#about = about;
    fill(this.element,
      h("h2", { id: "report-heading", text: "Report this answer" }),
      h("fieldset", { class: "report-kinds" }, h("legend", { text: "What is wrong with it?" }),
        KINDS.map(([, label], place) => h("label", { class: "report-kind" }, this.#boxes[place], h("span", { text: label })))),
      h("label", { class: "report-words" }, h("span", { text: "In your words (optional)" }), this.#text),
      h("p", { id: "report-place", text: PLACE }),
      h("details", { class: "report-kept", open: Boolean(this.#about.kept), data: { testid: "report-kept" } },
        h("summary", { text: "What will be kept" }), keeping(this.#about.kept)),
      this.#problem,
      h("div", { class: "dialog-actions" }, this.#cancel, this.#send));
    this.closed = new Promise((resolve) => {
      this.element.addEventListener("close", () => { this.element.remove(); resolve(); });
    });
  }

  show() {
    document.querySelector(".lc").append(this.element);
    this.element.showModal();
    this.#boxes[0].focus();
  }

  #body() {
    return { ...this.#about, kinds: this.#boxes.filter((box) => box.checked).map((box) => box.value), text: this.#text.value };
  }

  async #submit() {
    const body = this.#body();
    if (body.kinds.length === 0 && !body.text.trim()) {
      this.#refuse(EMPTY);
      return;
    }
    fill(this.#problem);
    this.#send.disabled = true;
    try {
      this.#thank((await call("POST", "/api/reports", body)).sentence);
    } catch (error) {
      this.#send.disabled = false;
      this.#refuse(error.message);
    }
  }

  #refuse(sentence) {
    fill(this.#problem, sentence);
    this.#send.focus();
    this.#problem.scrollIntoView({ block: "nearest" });
  }

  #thank(sentence) {
    const done = button("Close", { kind: "primary", testid: "report-close", on: () => this.element.close() });
    fill(this.element,
      h("h2", { id: "report-heading", text: "Report sent" }),
      h("p", { role: "status", text: sentence, data: { testid: "report-thanks" } }),
      h("div", { class: "dialog-actions" }, done));
    done.focus();
  }
}

/**
 * Ask what is wrong with an answer and report it. `message` and `conversation`: ids of a kept one; `kept`: a private one, as the
 * page has it. Resolves when the dialog is closed; the focus goes back to where it was.
 */
export function openReport({ message = null, conversation = null, kept = null }) {
  const dialog = new ReportDialog({ message, conversation, kept });
  dialog.show();
  return dialog.closed;
}
