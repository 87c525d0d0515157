// The page of one's own questions and files: adding questions, what was added, taking questions along, backup.
import { call } from "./api.js";
import { toast } from "./dialogs.js";
import { button, fill, h } from "./dom.js";
import { BackupPanel } from "./practise_questions_backup.js";
import { ExportPanel } from "./practise_questions_export.js";
import { ImportPanel } from "./practise_questions_import.js";
import { OwnList } from "./practise_questions_own.js";
import { deckSelection } from "./practise_results_words.js";

const ALL = 20; // questions of one's own at once

/** Starts a session of one's own questions; its place is in the hash, which the page follows. */
async function practise() {
  try {
    const session = await call("POST", "/api/practise/sessions", { ...deckSelection("", ALL), own: "own" });
    location.hash = `s/${session.id}/${session.current}`;
  } catch (error) {
    toast(error.message, { error: true });
  }
}

/** Fill `stage` with the page and focus its heading; back() is called as the reader leaves. */
export async function drawQuestions(stage, { back }) {
  const list = new OwnList({ changed: () => exporting.load() });
  const exporting = new ExportPanel();
  const again = () => { list.load(); exporting.load(); };
  const importing = new ImportPanel({ added: again, practise });
  const backup = new BackupPanel({ restored: again });
  fill(stage, h("article", { class: "own", data: { testid: "questions-page" } },
    h("h2", { text: "Your questions and files", tabindex: "-1" }),
    importing.element, list.element, exporting.element, backup.element,
    h("div", { class: "moves" }, button("Back", { icon: "prev", testid: "back", on: back }))));
  stage.querySelector("h2").focus();
  await Promise.all([list.load(), exporting.load()]);
}
