// A copy of everything that was done here, and the way to bring one back. Restoring only adds.
import { download } from "./api.js";
import { confirmDialog } from "./dialogs.js";
import { button, fill, h } from "./dom.js";
import { Sending, showProblem } from "./practise_questions_progress.js";
import { upload } from "./practise_questions_upload.js";

const LEAD = "One file with your sessions, answers, flags, notes and own questions: to keep, or to go on in another browser.";
const ASK = "What is in the backup is added to what you have here. Nothing is deleted or changed, and what is here already stays "
  + "as it is.";

export class BackupPanel {
  #restored;
  #input = h("input", { type: "file", id: "restore-file", accept: ".json,application/json", data: { testid: "restore-file" } });
  #below = h("div");
  #save = button("Download a backup", { icon: "down", testid: "backup", on: () => this.#backup() });
  element = h("section", { class: "own-section", "aria-labelledby": "own-backup" },
    h("h3", { id: "own-backup", text: "Backup" }), h("p", { class: "own-note", text: LEAD }),
    h("div", { class: "own-fields" }, this.#save,
      h("div", { class: "own-field" }, h("label", { for: "restore-file", text: "Restore from a backup" }), this.#input)),
    this.#below);

  /** restored() is called once a backup was brought back. */
  constructor({ restored }) {
    this.#restored = restored;
    this.#input.addEventListener("change", () => this.#choose(this.#input.files[0]));
  }

  async #backup() {
    fill(this.#below);
    try {
      await download("/api/practise/backup", "llamacare-backup.json");
    } catch (error) {
      showProblem(this.#below, error.message);
    }
  }

  async #choose(file) {
    if (!file) return;
    const yes = await confirmDialog({ heading: `Restore ${file.name}?`, text: ASK, yes: "Restore" });
    if (yes) await this.#restore(file);
    this.#input.value = "";
    this.#input.focus();
  }

  async #restore(file) {
    const sending = new Sending(() => fill(this.#below), "restore-cancel");
    fill(this.#below, sending.element);
    try {
      const report = await upload("/api/practise/restore", file, sending);
      if (!report) return;
      fill(this.#below, h("p", { class: "own-said", role: "status", text: report.sentence, data: { testid: "restore-result" } }));
      this.#restored();
    } catch (error) {
      showProblem(this.#below, error.message);
    }
  }
}
