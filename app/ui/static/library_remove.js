// Removing documents: asks first, and says what goes; then tells how far it is, and what is gone.
import { events } from "./api.js";
import { confirmDialog } from "./dialogs.js";
import { fill, h, thousands } from "./dom.js";
import { counted } from "./document_viewer_head.js";

const BROKEN = "The connection broke while documents were being removed. Reload the page to see what is left, then remove it again.";

/** What is asked before; `documents` null stands for all `own` of them. */
function question(documents, own) {
  const one = documents?.length === 1 ? documents[0] : null;
  const what = one ? (one.title ?? "this document") : documents ? counted(documents.length, "document") : `all ${counted(own, "document")} of yours`;
  const passages = one?.passages ? `its ${counted(one.passages, "passage")}` : "the passages";
  return {
    heading: `Remove ${what}?`, yes: "Remove", danger: true,
    text: `This removes ${passages}, also from the search index, and what your answers quoted from there. `
      + "It can't be undone; the file that you added it from stays where it is.",
  };
}

export class Removal {
  #bar = h("progress", { max: "1", "aria-label": "Removed", data: { testid: "remove-progress" } });
  #words = h("p", { role: "status", tabindex: "-1", data: { testid: "remove-said" } });
  #running = false;
  element = h("div", { class: "removal", hidden: true }, this.#bar, this.#words);

  focus() {
    this.#words.focus();
  }

  /** Ask, then remove. True once something may be gone. */
  async run(documents, own) {
    if (this.#running || !await confirmDialog(question(documents, own))) return false;
    this.#running = true;
    this.#show("Removing…", null);
    try {
      await this.#removed(documents ? { documents: documents.map(({ id }) => id) } : { all: true });
    } catch (error) {
      this.#end(error.message, true);
    } finally {
      this.#running = false;
    }
    return true;
  }

  async #removed(body) {
    let last = null;
    for await (const event of events("/api/library/erase", body)) {
      last = event;
      if (event.type !== "progress") continue;
      if (event.done < event.total) this.#show(`Removing… ${thousands(event.done)} of ${thousands(event.total)}`, event);
      else this.#show("Nobody finds it any more. Taking the text off the disk…", null);
    }
    if (last?.type === "erased") this.#end(last.sentence, false);
    else this.#end(last?.type === "failed" ? last.sentence : BROKEN, true);
  }

  #show(sentence, progress) {
    this.element.hidden = false;
    this.#bar.hidden = false;
    if (progress?.total) this.#bar.value = progress.done / progress.total;
    else this.#bar.removeAttribute("value");
    fill(this.#words, sentence);
    delete this.#words.dataset.failed;
  }

  #end(sentence, failed) {
    this.element.hidden = false;
    this.#bar.hidden = true;
    fill(this.#words, sentence);
    if (failed) this.#words.dataset.failed = "";
  }
}
