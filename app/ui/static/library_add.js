// Adding documents: files or a folder are chosen or dropped, wait in a queue, and each tells what became of it.
import { button, fill, h, thousands } from "./dom.js";
import { counted } from "./document_viewer_head.js";
import { ACCEPT, chosen, dropped, ofFolder } from "./library_files.js";
import { QueueItem } from "./library_item.js";
import { Queue } from "./library_queue.js";

const LEAD = "PDF, Word (DOCX), HTML, Markdown, plain text, and JSON Lines in MedQuAD’s layout; 64 MB each at most.";
const SHOWN = 30; // of those that wait, and of those that went well
const FINISHED = new Set(["added", "failed"]);

const field = (id, label, hint) => h("div", { class: "library-field" }, h("label", { for: id, text: label }),
  h("input", { type: "text", id, maxlength: "200", autocomplete: "off", placeholder: hint, data: { testid: id } }));

export class AddPanel {
  #page;
  #rows = new Map(); // item of the queue -> QueueItem
  #files = h("input", { type: "file", multiple: true, accept: ACCEPT, hidden: true, data: { testid: "add-files" } });
  #folder = h("input", { type: "file", multiple: true, webkitdirectory: true, hidden: true, data: { testid: "add-folder" } });
  #licence = field("add-licence", "Licence", "such as CC BY 4.0");
  #date = field("add-date", "Date", "such as 2024-05");
  #list = h("ul", { class: "queue" });
  #waiting = h("p", { class: "library-note", hidden: true });
  #sum = h("p", { class: "queue-sum", role: "status", data: { testid: "queue-sum" } });
  #note = h("p", { class: "library-note", role: "status", hidden: true, data: { testid: "add-note" } });
  #stop = button("Stop", { icon: "stop", kind: "small", testid: "queue-stop", on: () => this.#stopped() });
  #goOn = button("Go on", { icon: "next", kind: "small primary", testid: "queue-go-on", on: () => this.#wentOn() });
  #clear = button("Clear the list", { kind: "small quiet", testid: "queue-clear", on: () => this.#cleared() });
  #queueBox = h("div", { class: "queue-box", hidden: true },
    h("div", { class: "queue-head" }, this.#sum, this.#stop, this.#goOn, this.#clear), this.#list, this.#waiting);
  #choose = button("Choose files", { icon: "plus", kind: "primary", testid: "choose-files", on: () => this.#files.click() });
  #drop = h("div", { class: "library-drop", data: { testid: "drop" } },
    h("p", { text: "Drop files or folders here, or choose them." }),
    h("div", { class: "library-moves" }, this.#choose,
      button("Choose a folder", { icon: "list", testid: "choose-folder", on: () => this.#folder.click() }),
      this.#files, this.#folder),
    h("details", { class: "fold" }, h("summary", { text: "Say more of what you add (optional)" }),
      h("div", { class: "library-fields" }, this.#licence, this.#date)));
  #queue = new Queue({ changed: (item) => this.#changed(item), ended: (item) => this.#ended(item) });
  element = h("section", { class: "library-section", "aria-labelledby": "library-add" },
    h("h2", { id: "library-add", text: "Add documents" }), h("p", { class: "library-note", text: LEAD }),
    this.#drop, this.#note, this.#queueBox);

  /** page.added() is called whenever a file brought something in. */
  constructor(page) {
    this.#page = page;
    this.#files.addEventListener("change", () => this.#take(this.#files, (files) => ({ files: chosen(files), left: 0 })));
    this.#folder.addEventListener("change", () => this.#take(this.#folder, (files) => ofFolder(files.map((file) => ({ file })))));
    this.#drop.addEventListener("dragover", (event) => this.#over(event, true));
    this.#drop.addEventListener("dragleave", (event) => this.#over(event, this.#drop.contains(event.relatedTarget)));
    this.#drop.addEventListener("drop", (event) => this.#dropped(event));
    window.addEventListener("beforeunload", (event) => {
      if (this.#queue.running || this.#queue.left) event.preventDefault();
    });
  }

  focus() {
    this.#choose.focus();
  }

  #over(event, over) {
    event.preventDefault();
    this.#drop.classList.toggle("over", over);
  }

  async #dropped(event) {
    this.#over(event, false);
    try {
      this.#add(await dropped(event.dataTransfer));
    } catch {
      this.#say("The browser could not read what was dropped. Choose the files with the button.");
    }
  }

  #take(input, files) {
    const found = files([...input.files]);
    input.value = ""; // so that the same file can be chosen again
    this.#add(found);
  }

  #add({ files, left }) {
    this.#say(left ? `${counted(left, "file")} of the folder left out: of a kind that is not read here.` : "");
    if (!files.length) return;
    const value = (one) => one.querySelector("input").value.trim();
    this.#queue.add(files, { licence: value(this.#licence), date: value(this.#date) });
  }

  #say(sentence) {
    this.#note.textContent = sentence;
    this.#note.hidden = !sentence;
  }

  #stopped() {
    this.#queue.stop();
    this.#goOn.focus();
  }

  #wentOn() {
    this.#queue.goOn();
    this.#stop.focus();
  }

  #cleared() {
    this.#queue.clear();
    this.#choose.focus();
  }

  #ended(item) {
    if (item.report?.documents || item.report?.updated || item.state === "stopped") this.#page.added();
  }

  // Drawing

  #changed(item) {
    const row = item ? this.#rows.get(item) : null;
    row?.show();
    this.#showTools();
    if (row && !FINISHED.has(item.state)) return;
    this.#sumUp();
    this.#draw(this.#queue.items);
  }

  #showTools() {
    const { items, running, paused, left } = this.#queue;
    this.#queueBox.hidden = !items.length;
    this.#stop.hidden = !running || paused;
    this.#goOn.hidden = !paused || !left;
    this.#clear.hidden = running || !items.some(({ state }) => FINISHED.has(state));
  }

  #sumUp() {
    const { items } = this.#queue;
    const count = (wanted) => items.filter(({ state }) => state === wanted).length;
    const done = count("added");
    const failed = count("failed");
    const words = `${thousands(done)} of ${counted(items.length, "file")} done${failed ? `, ${thousands(failed)} not added` : ""}`;
    if (this.#sum.textContent !== words) this.#sum.textContent = words;
  }

  /** The rows: those at work, all that failed or refused something, the last that went well, the first that wait. */
  #draw(items) {
    const well = items.filter((item) => item.state === "added" && !item.report.refused.length);
    const waiting = items.filter(({ state }) => state === "waiting");
    const hidden = new Set([...well.slice(0, -SHOWN), ...waiting.slice(SHOWN)]);
    const shown = items.filter((item) => !hidden.has(item));
    for (const [item, row] of this.#rows) {
      if (shown.includes(item)) continue;
      row.element.remove();
      this.#rows.delete(item);
    }
    shown.forEach((item, place) => {
      if (!this.#rows.has(item)) this.#rows.set(item, new QueueItem(item, { again: () => this.#queue.again(item) }));
      const { element } = this.#rows.get(item);
      if (this.#list.children[place] !== element) this.#list.insertBefore(element, this.#list.children[place] ?? null);
    });
    const more = waiting.length - SHOWN;
    this.#waiting.hidden = more <= 0;
    fill(this.#waiting, more > 0 ? `${counted(more, "more file")} waiting.` : "");
  }
}
