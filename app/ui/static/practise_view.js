// The "View" menu: text size and contrast of the questions, kept on this browser. Knows nothing of questions.
import { button, h } from "./dom.js";
import { TEXT_SIZES, applyReading, changeTextSize, highContrast, setHighContrast, textSize } from "./prefs.js";

function sizeButtons(changed) {
  const change = (by) => () => { changeTextSize(by); changed(); };
  return h("div", { class: "view-sizes", role: "group", "aria-label": "Text size" },
    button("Smaller text", { kind: "small", testid: "text-smaller", title: "Smaller text (−)", on: change(-1) }),
    button("Larger text", { kind: "small", testid: "text-larger", title: "Larger text (+)", on: change(1) }));
}

export class ViewMenu {
  #size = h("p", { class: "view-size", role: "status" });
  #contrast = button("High contrast", {
    kind: "small", testid: "contrast", on: () => { setHighContrast(!highContrast()); this.#draw(); },
  });
  element = h("details", { class: "view-menu", on: { keydown: (event) => this.#pressed(event) } },
    h("summary", { class: "button quiet small", title: "Text size and contrast", data: { testid: "view" } }, "View"),
    h("div", { class: "view-panel" }, sizeButtons(() => this.#draw()), this.#size, this.#contrast));

  constructor() {
    document.addEventListener("click", (event) => { if (!this.element.contains(event.target)) this.element.open = false; });
    applyReading();
    this.#draw();
  }

  changeTextSize(by) {
    changeTextSize(by);
    this.#draw();
  }

  #draw() {
    this.#size.textContent = `Size ${textSize()} of ${TEXT_SIZES.length}`;
    this.#contrast.setAttribute("aria-pressed", String(highContrast()));
  }

  #pressed(event) {
    if (event.key !== "Escape" || !this.element.open) return;
    event.stopPropagation();
    this.element.open = false;
    this.element.firstChild.focus();
  }
}
