// What a conversation shows before its first question: examples, and what the library holds.
import { ApiError, call } from "./api.js";
import { fill, h, icon, thousands } from "./dom.js";

const EXAMPLES = [
  "How do I tell prerenal azotemia and acute tubular necrosis apart in the urine?",
  "Which antihypertensives should be avoided in pregnancy, and what is used instead?",
  "Compare the mechanisms and typical side effects of SGLT2 inhibitors and GLP-1 receptor agonists.",
  "What belongs in the work-up of an incidentally found adrenal mass?",
];
const LEAD = "Ask a general medical question. The model runs on this machine; nothing you type leaves it.";
const CAUTION = "Supports a professional, replaces none. Do not rely on it in an emergency: call your local emergency number.";

const counted = (number, one, many) => (number === 0 ? "" : `${thousands(number)} ${number === 1 ? one : many}`);

function holdings({ own, shared, sample }) {
  const parts = [
    counted(own, "document of yours", "documents of yours"),
    counted(shared, "shared document", "shared documents"),
    counted(sample, "sample page", "sample pages"),
  ].filter(Boolean);
  return parts.length === 0 ? "The library is empty" : `Answers cite the library: ${parts.join(", ")}`;
}

/** A line that says what the library holds, once the server has told; empty where it does not. */
function libraryLine() {
  const line = h("p", { class: "library-line", data: { testid: "library-line" } });
  call("GET", "/api/library?count=1").then((counts) => fill(line, `${holdings(counts)}. `,
    h("a", { href: "/library", text: counts.own > 0 ? "Open the library" : "Add your own" })), (error) => {
    if (!(error instanceof ApiError)) throw error;
  });
  return line;
}

/** `onExample(text)` asks one of the examples. */
export function emptyState(isPrivate, onExample) {
  const example = (text) => h("li", {},
    h("button", { type: "button", class: "example", data: { testid: "example" }, on: { click: () => onExample(text) } },
      h("span", { text }), icon("next")));
  return h("section", { class: "empty", data: { testid: "empty" } },
    h("h2", { text: isPrivate ? "A private question" : "What would you like to look up?" }),
    h("p", { class: "lead", text: LEAD }),
    libraryLine(),
    h("ul", { class: "examples", "aria-label": "Example questions" }, EXAMPLES.map(example)),
    h("p", { class: "caution", text: CAUTION }));
}
