// The learner's note on a question: a field that keeps itself, on leaving it and soon after the last key. Knows nothing of
// the server.
import { button, fill, h, icon } from "./dom.js";
import { WayBack } from "./practise_way_back.js";

const LONGEST = 4000; // characters
const PAUSE_MS = 1200;

function stateWords(state) {
  if (state === "saving") return ["Saving…"];
  if (state === "saved") return [icon("check"), h("span", { text: "Saved" })];
  return state ? [h("span", { class: "failed", text: state })] : [];
}

export class Note {
  #save;
  #work = null;
  #graded = false;
  #timer = 0;
  #wayBack = new WayBack();
  #state = h("p", { class: "note-state", role: "status", data: { testid: "note-state" } });
  #field = h("textarea", {
    class: "note-field", rows: "3", maxlength: String(LONGEST), "aria-label": "Your note on this question",
    placeholder: "Your note on this question", data: { testid: "note-text" },
    on: {
      blur: () => this.#keep(),
      input: () => this.#typed(),
      keydown: (event) => { if (event.key === "Escape" && !event.isComposing) this.#close(event); },
    },
  });
  element = h("section", { class: "note-panel", hidden: true, "aria-label": "Note" }, this.#field,
    h("div", { class: "note-foot" }, this.#state,
      button("Close", { kind: "quiet small", testid: "note-close", on: (event) => this.#close(event) })));

  /** `save(text, work)` is called with what was written. */
  constructor(save) {
    this.#save = save;
  }

  /** A note that was written before shows from the verdict on; until then it is opened by hand, since it may tell the key. */
  draw(work) {
    const graded = Boolean(work.item.attempt);
    if (work.item.id !== this.#work?.item.id) {
      this.#keep();
      this.#work = work;
      this.#field.value = work.item.note ?? "";
      this.element.hidden = !(graded && work.item.note);
    } else if (graded && !this.#graded && work.item.note) this.element.hidden = false;
    if (work !== this.#work && document.activeElement !== this.#field) this.#field.value = work.item.note ?? "";
    this.#work = work;
    this.#graded = graded;
    fill(this.#state, stateWords(work.noteState));
  }

  open() {
    this.#wayBack.keep(this.element);
    this.element.hidden = false;
    this.#field.focus({ preventScroll: true });
    this.element.scrollIntoView({ block: "nearest" });
  }

  #typed() {
    clearTimeout(this.#timer);
    fill(this.#state);
    this.#timer = setTimeout(() => this.#keep(), PAUSE_MS);
  }

  #keep() {
    clearTimeout(this.#timer);
    if (this.#work && this.#field.value !== (this.#work.item.note ?? "")) this.#save(this.#field.value, this.#work);
  }

  #close(event) {
    event.preventDefault();
    event.stopPropagation();
    this.#keep();
    this.#wayBack.go("note");
    this.element.hidden = true;
  }
}
