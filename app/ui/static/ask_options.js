// The line under the input: from which documents an answer comes, in which shape, and what happens where nothing is found.
// On a phone behind one button that says the choice in words. Knows nothing of questions.
import { fill, h } from "./dom.js";

const SCOPES = [["all", "all documents"], ["own", "my documents"], ["shared", "shared documents"], ["none", "the model alone"]];
const CHOSEN = "chosen"; // documents that another page named; holds until this page is left
const UNGROUNDED = [["mark", "answer anyway, marked"], ["withhold", "withhold the answer"]];
const UNGROUNDED_HINT = "What happens where no document answers: the model answers from what it learnt, marked so, or there is no answer";

function field(label, name, title, on) {
  const select = h("select", { title, data: { testid: `option-${name}` }, on: { change: () => on(select.value) } });
  return { select, element: h("label", { class: "option-field" }, h("span", { text: label }), select) };
}

/** Offer `choices`, [value, label], with `value` chosen; the first one where it is not among them. */
function offer(select, choices, value) {
  fill(select, choices.map(([one, label, hint]) => h("option", { value: one, text: label, title: hint })));
  select.value = choices.some(([one]) => one === value) ? value : choices[0][0];
}

export class Options {
  #settings;
  #shapes;
  #documents = [];
  #scope = field("From", "scope", "Which documents an answer may come from", (value) => this.#choseScope(value));
  #template = field("as", "template", "", (value) => this.#chose("template", value));
  #ungrounded = field("if nothing is found", "ungrounded", UNGROUNDED_HINT, (value) => this.#chose("ungrounded", value));
  #words = h("span", { class: "options-words" });
  #toggle = h("button", {
    type: "button", class: "button quiet small options-toggle", "aria-expanded": "false", "aria-controls": "ask-option-fields",
    data: { testid: "options-toggle" }, on: { click: () => this.#flip() },
  }, h("span", { text: "Options" }), this.#words);
  #fields = h("div", { class: "options-fields", id: "ask-option-fields" },
    this.#scope.element, this.#template.element, this.#ungrounded.element);
  element = h("div", { class: "ask-options", role: "group", "aria-label": "How to answer", data: { testid: "options" } },
    this.#toggle, this.#fields);

  /** What the chosen shape is for, in words; a line of its own for whoever lays out the page. */
  hint = h("p", { class: "options-hint", hidden: true, data: { testid: "options-hint" } });

  /** `settings`: AskSettings; `shapes`: Shapes, whose templates are offered once they are known. */
  constructor(settings, shapes) {
    this.#settings = settings;
    this.#shapes = shapes;
    offer(this.#scope.select, SCOPES, settings.get("scope"));
    offer(this.#ungrounded.select, UNGROUNDED, settings.get("ungrounded"));
    this.#template.element.hidden = true;
    shapes.ready.then(() => this.#offerTemplates());
    this.#say();
  }

  /** Have answers come from the documents `ids` alone, called `label`, until something else is chosen. */
  only({ ids, label }) {
    this.#documents = ids;
    this.#scope.select.append(h("option", { value: CHOSEN, text: `only ${label}` }));
    this.#scope.select.value = CHOSEN;
    this.#say();
  }

  /** What a question is sent with. */
  chosen() {
    const scope = this.#scope.select.value;
    return {
      sources: scope === CHOSEN ? { scope: "all", documents: this.#documents } : { scope, documents: [] },
      ungrounded: this.#ungrounded.select.value,
      template: this.#settings.get("template"),
    };
  }

  #offerTemplates() {
    const { templates } = this.#shapes;
    if (templates.length === 0) return;
    offer(this.#template.select, templates.map(({ id, label, hint }) => [id, label, hint]), this.#settings.get("template"));
    this.#settings.set("template", this.#template.select.value);
    this.#say();
  }

  #choseScope(value) {
    if (value === CHOSEN) this.#say();
    else this.#chose("scope", value);
  }

  #chose(name, value) {
    this.#settings.set(name, value);
    this.#say();
  }

  #flip() {
    const open = this.element.classList.toggle("open");
    this.#toggle.setAttribute("aria-expanded", String(open));
  }

  /** The model alone has no shape and finds nothing: these choices go with it. */
  #say() {
    const { select } = this.#template;
    const alone = this.#scope.select.value === "none";
    const shape = this.#shapes.templates.find(({ id }) => id === select.value);
    this.#template.element.hidden = alone || !shape;
    this.#ungrounded.element.hidden = alone;
    select.title = shape?.hint ?? "";
    this.hint.hidden = alone || !shape?.hint;
    this.hint.textContent = shape?.hint ?? "";
    const scope = this.#scope.select.selectedOptions[0].textContent;
    this.#words.textContent = alone || !shape ? `From ${scope}` : `${shape.label}, from ${scope}`;
  }
}
