// The Library page: documents that answers may stand on. library_add brings them in, library_search finds in their text,
// library_list shows and removes them, document_viewer opens one. The address #d/<document>/<passage> is an open document.
import { copyText } from "./dialogs.js";
import { button, fill, h } from "./dom.js";
import { openPassage } from "./document_viewer.js";
import { addressOf } from "./document_viewer_head.js";
import { buildFrame } from "./frame.js";
import { AddPanel } from "./library_add.js";
import { DocumentList } from "./library_list.js";
import { keepFocus } from "./library_redraw.js";
import { TextSearch } from "./library_search.js";

const LEAD = "Answers on the Ask page quote these documents, and open them at the passage.";
const PRIVACY = "Documents stay on this machine; only you see yours.";
const SHARED = "Shared documents and sample pages are there for everybody who uses this LlamaCare, so they can’t be removed here. "
  + "Whoever runs it does so on that machine:";
const REFRESH_MS = 500;
const COMMANDS = ["python -m app.library list", "python -m app.library remove ID", "python -m app.library sample off"];

/** {document, passage} of the address, null where it names none. */
function addressed() {
  const [, id, passage] = /^#d\/([^/]+)(?:\/(\d+))?$/.exec(window.location.hash) ?? [];
  if (!id) return null;
  try {
    return { document: decodeURIComponent(id), passage: passage ? Number(passage) : null };
  } catch {
    return null;
  }
}

const command = (text) => h("li", { class: "command" }, h("code", { text }),
  button(`Copy ${text}`, { icon: "copy", bare: true, kind: "small", on: () => copyText(text) }));

class LibraryPage {
  #timer = 0;
  #viewer = null;
  #came = false; // this page set the address of the open document itself, so that going back closes it
  #wanted = null; // the passage that was pressed, with its marks
  #shared = h("section", { class: "library-section", hidden: true, "aria-label": "Shared documents", data: { testid: "shared-note" } },
    h("p", { class: "library-note", text: SHARED }), h("ul", {}, COMMANDS.map(command)));
  #add = new AddPanel({ added: () => this.#changed() });
  #list = new DocumentList({
    removed: () => this.#search.refresh(), counted: ({ shared, sample }) => { this.#shared.hidden = shared + sample === 0; },
  });
  #search = new TextSearch({ searched: (words) => this.#list.search(words), open: (passage) => this.#open(passage) });

  constructor(root) {
    document.title = "Library · LlamaCare";
    const { main } = buildFrame(root, { page: "library", title: "Library" });
    main.classList.add("scrolls");
    fill(main, h("div", { class: "library-stage", data: { testid: "library-page" } },
      h("p", { class: "library-lead", text: LEAD }), h("p", { class: "library-privacy", text: PRIVACY }),
      this.#search.element, this.#add.element, this.#list.element, this.#shared));
    main.addEventListener("click", (event) => { this.#came ||= event.target.closest?.('a[href^="/library#d/"]') !== null; });
  }

  begin() {
    window.addEventListener("hashchange", () => this.#follow());
    this.#list.refresh();
    this.#follow();
  }

  /** Show what is new, twice a second at most. */
  #changed() {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.#refresh();
    }, REFRESH_MS);
  }

  #refresh() {
    if (this.#search.words) this.#search.refresh(); // and the list with it
    else this.#list.refresh();
  }

  #open(passage) {
    this.#wanted = passage;
    this.#came = true;
    window.location.hash = addressOf(passage.document, passage.id).split("#")[1];
  }

  /** Show what the address says. */
  #follow() {
    const wanted = addressed();
    this.#viewer?.close();
    if (!wanted) return;
    const marks = this.#wanted?.id === wanted.passage ? this.#wanted.marks : [];
    const giveFocusBack = keepFocus(); // the dialog would give it to a row that may be drawn anew meanwhile
    const viewer = openPassage({ ...wanted, marks, here: true });
    this.#viewer = viewer;
    viewer.closed.then(() => {
      giveFocusBack();
      this.#left(viewer);
    });
  }

  /** The reader closed the document: the address follows. */
  #left(viewer) {
    if (this.#viewer !== viewer) return;
    const came = this.#came;
    this.#viewer = null;
    this.#came = false;
    if (!addressed()) return;
    if (came) window.history.back();
    else window.history.replaceState(null, "", window.location.pathname);
  }
}

export function start(root) {
  new LibraryPage(root).begin();
}
