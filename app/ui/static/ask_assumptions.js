// What an answer takes for granted (adult, not pregnant, ...): a chip each, which opens a list to choose from; a choice asks
// again. Knows nothing of how.
import { REPLACES } from "./ask_foot.js";
import { fill, h } from "./dom.js";

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

export class Assumptions {
  #shapes;
  #choose;
  #values = {};
  #open = null; // the chip whose list is open
  #chips = h("span", { class: "assumption-chips" });
  #menu = h("div", { class: "assumption-menu", role: "menu", hidden: true, data: { testid: "assumption-menu" } });
  element = h("div", {
    class: "assumptions", role: "group", "aria-label": "What this answer assumes", hidden: true, data: { testid: "assumptions" },
  }, h("span", { class: "assumptions-name", "aria-hidden": "true", text: "Assumes" }), this.#chips, this.#menu);

  /** `shapes`: Shapes; `choose(values)` is called with all values, one of them new. */
  constructor(shapes, choose) {
    this.#shapes = shapes;
    this.#choose = choose;
    this.#menu.addEventListener("keydown", (event) => this.#pressed(event));
    this.element.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && !this.element.contains(relatedTarget)) this.#close();
    });
  }

  /** `values`: {name: value} of an answer. */
  async show(values) {
    await this.#shapes.ready;
    const shown = this.#shapes.assumptions.filter(({ name }) => name in values);
    if (JSON.stringify(values) === JSON.stringify(this.#values)) return;
    this.#values = values;
    this.#close();
    fill(this.#chips, shown.map((one) => this.#chip(one)));
    this.element.hidden = shown.length === 0;
  }

  #chip({ name, label, choices }) {
    const said = choices.find(({ value }) => value === this.#values[name])?.label ?? this.#values[name];
    const chip = h("button", {
      type: "button", class: "assumption", "aria-haspopup": "menu", "aria-expanded": "false",
      "aria-label": `${label}: ${said}. Change and ask again`, title: `${label}: press to change it and ask again. ${REPLACES}`,
      data: { testid: "assumption", assumes: name }, on: { click: () => this.#flip(chip, { name, label, choices }) },
    }, h("span", { text: said }));
    return chip;
  }

  #flip(chip, { name, label, choices }) {
    if (this.#open === chip) return this.#close();
    this.#close();
    this.#open = chip;
    chip.setAttribute("aria-expanded", "true");
    this.#menu.setAttribute("aria-label", label);
    fill(this.#menu, choices.map((choice) => this.#item(name, choice)));
    this.#menu.hidden = false;
    const item = this.#menu.querySelector("[aria-checked=true]") ?? this.#menu.firstChild;
    item.focus();
    return this.#menu.scrollIntoView({ block: "nearest" });
  }

  #item(name, { value, label }) {
    return h("button", {
      type: "button", class: "assumption-choice", role: "menuitemradio", tabindex: "-1", text: label,
      "aria-checked": String(value === this.#values[name]), data: { testid: "assumption-choice", value },
      on: { click: () => this.#chose(name, value) },
    });
  }

  #chose(name, value) {
    const chip = this.#open;
    this.#close();
    chip.focus();
    if (value !== this.#values[name]) this.#choose({ ...this.#values, [name]: value });
  }

  #pressed(event) {
    const items = [...this.#menu.children];
    const at = items.indexOf(document.activeElement);
    if (event.key === "Escape") {
      event.stopPropagation();
      const chip = this.#open;
      this.#close();
      chip.focus();
    } else if (event.key in STEPS) items.at((at + STEPS[event.key]) % items.length).focus();
    else if (event.key === "Home") items[0].focus();
    else if (event.key === "End") items.at(-1).focus();
    else return;
    event.preventDefault();
  }

  #close() {
    this.#open?.setAttribute("aria-expanded", "false");
    this.#open = null;
    this.#menu.hidden = true;
  }
}
