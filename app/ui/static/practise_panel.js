// A panel beside the question, or at the foot of a phone: the question stays in view and at work. Escape closes it and leads
// back to where the reader was. Knows nothing of what stands in it.
import { button, h } from "./dom.js";
import { WayBack } from "./practise_way_back.js";

export class Panel {
  #wayBack = new WayBack();
  #opener;
  body = h("div", { class: "panel-body" });
  element;

  /** `name`: what it is called; `testid`; `opener`: the test id of the button that opens it. */
  constructor({ name, testid, opener }) {
    this.#opener = opener;
    const heading = `${testid}-heading`;
    this.element = h("section", {
      class: "side-panel", hidden: true, "aria-labelledby": heading, data: { testid },
      on: { keydown: (event) => { if (event.key === "Escape" && !event.isComposing) this.#leave(event); } },
    },
    h("header", { class: "panel-head" }, h("h3", { id: heading, text: name }),
      button(`Close ${name}`, {
        icon: "close", bare: true, kind: "quiet", testid: `${testid}-close`, on: (event) => this.#leave(event),
      })),
    this.body);
  }

  get open() {
    return !this.element.hidden;
  }

  /** Show it; `focus()` puts the focus in it. */
  show(focus) {
    this.#wayBack.keep(this.element);
    this.element.hidden = false;
    focus();
  }

  hide() {
    this.element.hidden = true;
  }

  #leave(event) {
    event.preventDefault();
    event.stopPropagation();
    this.#wayBack.go(this.#opener);
    this.hide();
  }
}
