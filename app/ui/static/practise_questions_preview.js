// What is in a file before it is added: how many questions, the first ones as they will be graded, and what was refused, why.
import { button, capital, h, thousands } from "./dom.js";
import { figureTable } from "./practise_charts.js";
import { datedName, saveFile } from "./practise_charts_save.js";
import { counted } from "./practise_results_words.js";

const LAYOUTS = { own: "JSON Lines of LlamaCare", medqa: "MedQA", medmcqa: "MedMCQA", csv: "table (CSV)" };
const SEPARATORS = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars" };
const NO_REASONS = "No explanation";
const PICTURE = /!\[([^\]\n]*)\]\([^)]*\)/g; // in Markdown; its data may be a megabyte

function facts({ layout, encoding, separator, read, refused, already }) {
  const between = separator ? `separated by ${SEPARATORS[separator] ?? separator}` : "";
  const file = [LAYOUTS[layout] ?? layout, encoding, between].filter(Boolean).join(", ");
  const known = already ? ` · ${thousands(already)} already here` : "";
  return [
    h("p", {}, h("strong", { text: `${counted(read, "question")}${known} · ${thousands(refused)} refused` })),
    h("p", { class: "own-facts", text: `Read as: ${file}.` }),
  ];
}

function option([letter, text], { key, explanations }) {
  const isKey = letter === key;
  return h("li", { class: isKey ? "own-key" : "", data: isKey ? { testid: "preview-key" } : {} },
    h("span", { text: `${letter}. ${text}` }), isKey ? h("small", { text: "✓ key: graded as right" }) : null,
    explanations[letter] ? h("span", { class: "own-why", text: explanations[letter] }) : null);
}

function question(one) {
  const explained = Object.values(one.explanations).filter(Boolean).length;
  const facts = [`Line ${one.line}`, one.system && capital(one.system), one.subject && capital(one.subject),
    one.step && `Step ${one.step}`, explained ? "" : NO_REASONS];
  return h("li", { class: "own-question", data: { testid: "preview-question" } },
    h("p", { class: "own-facts", text: facts.filter(Boolean).join(" · ") }),
    h("p", { class: "own-stem", text: one.stem.replace(PICTURE, "[picture: $1]") }),
    h("ul", { class: "own-options" }, Object.entries(one.options).map((entry) => option(entry, one))));
}

/** A cell of a CSV file; a leading sign that a spreadsheet would take for a formula is made text. */
function cell(value) {
  const text = String(value ?? "");
  return `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}

function saveRefusals(refusals) {
  const rows = [["line", "field", "reason"], ...refusals.map(({ line, field, reason }) => [line, field, reason])];
  const text = `\ufeff${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
  saveFile(`${datedName("refused rows")}.csv`, new Blob([text], { type: "text/csv" }));
}

function refusalsTable({ refusals, refused }) {
  if (!refusals.length) return null;
  const rows = refusals.map(({ line, field, reason }) => [line ? String(line) : "all", field || "–", capital(reason)]);
  const rest = refused - refusals.length;
  return h("section", { "aria-label": "Refused rows", data: { testid: "import-refusals" } },
    h("h4", { text: `Refused: ${counted(refused, "row")}` }),
    h("p", { class: "own-facts", text: "These are left out. Correct them in the file and choose it again." }),
    figureTable("Refused rows", ["Line", "Field", "Reason"], rows),
    rest > 0 ? h("p", { class: "own-facts", text: `and ${thousands(rest)} more` }) : null,
    h("div", { class: "own-moves" }, button("Download this list (CSV)", {
      icon: "down", kind: "small", testid: "refusals-download", on: () => saveRefusals(refusals),
    })));
}

/** `report`: the server's answer to a preview. add() and cancel() are called as the reader does so. */
export function previewBlock(report, { add, cancel }) {
  const fresh = report.read - report.already;
  const first = report.preview.length;
  const words = `Add ${counted(fresh, "question")}`;
  const none = report.read ? "Every question of this file is here already." : "Nothing in this file can be added.";
  return h("section", { class: "own-preview", "aria-label": "What is in the file", data: { testid: "import-preview" } },
    h("h4", { tabindex: "-1", text: `What is in ${report.file}` }),
    facts(report),
    report.notes.length ? h("ul", { class: "own-notes" }, report.notes.map((text) => h("li", { text }))) : null,
    fresh > 0 ? null : h("p", { class: "own-said", text: none }),
    h("div", { class: "own-moves" },
      fresh > 0 ? button(words, { kind: "primary", icon: "plus", testid: "import-add", on: add }) : null,
      button("Cancel", { testid: "import-cancel", on: cancel })),
    refusalsTable(report),
    first ? [h("h4", { text: first < report.read ? `The first ${first} of ${thousands(report.read)}` : "The questions" }),
      h("ul", { class: "own-questions" }, report.preview.map(question))] : null);
}
