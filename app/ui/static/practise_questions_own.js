// The list of what was imported, each file with the way to take it out again.
import { call } from "./api.js";
import { confirmDialog } from "./dialogs.js";
import { button, fill, h } from "./dom.js";
import { showProblem } from "./practise_questions_progress.js";
import { counted } from "./practise_results_words.js";

const when = (iso) => new Date(iso).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" });

export class OwnList {
  #changed;
  #heading = h("h3", { id: "own-list", tabindex: "-1", text: "What you have added" });
  #problem = h("div");
  #list = h("div");
  element = h("section", { class: "own-section", "aria-labelledby": "own-list" },
    this.#heading, this.#problem, this.#list);

  /** changed() is called once something was deleted. */
  constructor({ changed }) {
    this.#changed = changed;
  }

  async load() {
    fill(this.#problem);
    try {
      this.#draw(await call("GET", "/api/practise/own"));
    } catch (error) {
      showProblem(this.#problem, error.message);
    }
  }

  #draw({ batches, total }) {
    const none = h("p", { class: "own-note", text: "Nothing yet." });
    const sum = h("p", { class: "own-note", text: `${counted(total, "question")} of your own in all.` });
    if (batches.length) fill(this.#list, sum, h("ul", { class: "own-batches" }, batches.map((one) => this.#row(one))));
    else fill(this.#list, none);
  }

  #row(batch) {
    const facts = `${counted(batch.questions, "question")} · added ${when(batch.created)}`;
    return h("li", { data: { testid: "own-batch", batch: batch.id } },
      h("div", {}, batch.file, h("span", { text: facts })),
      button("Delete", {
        kind: "small danger-text", testid: "own-delete", "aria-label": `Delete ${batch.file}`, on: () => this.#delete(batch),
      }));
  }

  async #delete(batch) {
    const yes = await confirmDialog({
      heading: `Delete ${batch.file}?`, yes: "Delete", danger: true,
      text: `Its ${counted(batch.questions, "question")} will not be asked again. Your answers stay in the results.`,
    });
    if (!yes) return;
    try {
      await call("DELETE", `/api/practise/own/${encodeURIComponent(batch.id)}`);
    } catch (error) {
      showProblem(this.#problem, error.message);
      return;
    }
    await this.load();
    this.#heading.focus(); // the pressed button is gone
    this.#changed();
  }
}
