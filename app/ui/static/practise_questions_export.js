// Taking questions along: which, of which systems, in which form.
import { ApiError, call, download } from "./api.js";
import { button, capital, fill, h, thousands } from "./dom.js";
import { showProblem } from "./practise_questions_progress.js";

const FORMS = [["csv", "Table (CSV)"], ["json", "JSON Lines"], ["apkg", "Anki deck (.apkg)"], ["html", "Page to print"]];
const UNREACHABLE = "LlamaCare does not answer. If it was stopped, start it again; then retry.";
const WHAT = [
  ["wrong", "Wrong"], ["sure_wrong", "Sure and wrong"], ["flagged", "Flagged"], ["due", "Due"], ["disagreement", "Disagreements"],
  ["answered", "Answered"], ["all", "All questions"],
];

/** How many questions each choice has. */
function countOf(counts, what) {
  if (what === "all") return counts.total;
  if (what === "answered") return counts.total - counts.unused;
  return counts[what];
}

const chooser = (name, choices) => h("select", { id: name, data: { testid: name } },
  choices.map(([value, text]) => h("option", { value, text })));

export class ExportPanel {
  #form = chooser("export-form", FORMS);
  #what = chooser("export-what", WHAT);
  #systems = h("div", { class: "own-choices" });
  #below = h("div");
  #button = button("Export", { kind: "primary", icon: "down", testid: "export", on: () => this.#export() });
  element = h("section", { class: "own-section", "aria-labelledby": "own-export" },
    h("h3", { id: "own-export", text: "Take questions along" }),
    h("p", { class: "own-note", text: "With key, explanations and, in tables, your last answer; for another program or for paper." }),
    h("div", { class: "own-fields" },
      h("div", { class: "own-field" }, h("label", { for: "export-what", text: "Which questions" }), this.#what),
      h("div", { class: "own-field" }, h("label", { for: "export-form", text: "Form" }), this.#form)),
    h("details", { class: "more-fold" }, h("summary", { text: "Only some systems" }),
      h("fieldset", {}, h("legend", { class: "sr-only", text: "Systems; none chosen means all" }), this.#systems)),
    h("div", { class: "own-moves" }, this.#button), this.#below);

  async load() {
    try {
      const { counts, systems } = await call("GET", "/api/practise/overview");
      [...this.#what.options].forEach((option, place) => {
        option.textContent = `${WHAT[place][1]} (${thousands(countOf(counts, option.value))})`;
      });
      const chosen = this.#chosen();
      fill(this.#systems, systems.filter(({ name }) => name).map(({ name }) => h("label", {},
        h("input", { type: "checkbox", value: name, checked: chosen.includes(name) }), capital(name))));
    } catch (error) {
      showProblem(this.#below, error.message);
    }
  }

  #chosen() {
    return [...this.#systems.querySelectorAll("input:checked")].map((box) => box.value);
  }

  async #export() {
    const query = new URLSearchParams({ form: this.#form.value, what: this.#what.value });
    for (const name of this.#chosen()) query.append("systems", name);
    const path = `/api/practise/export?${query}`;
    fill(this.#below);
    try {
      if (this.#form.value === "html") await this.#print(path);
      else await download(path, `llamacare-questions.${this.#form.value}`);
    } catch (error) {
      showProblem(this.#below, error.message);
    }
  }

  /** The page to print opens in a tab of its own; asked for once before, so that a refusal is said here. */
  async #print(path) {
    await check(path);
    if (window.open(path, "_blank")) return;
    fill(this.#below, h("p", { class: "own-said", role: "status" },
      h("a", { href: path, target: "_blank", text: "Open the page to print", data: { testid: "export-link" } })));
  }
}

async function check(path) {
  const response = await fetch(path).catch(() => { throw new ApiError(UNREACHABLE, 0); });
  if (response.ok) return;
  const { error } = await response.json().catch(() => ({ error: "" }));
  throw new ApiError(error || `The server refused this (${response.status}). Reload the page and retry.`, response.status);
}
