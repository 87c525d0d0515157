// One model at hand: what it is, how fast it is here, what it was measured to be worth, and the button that makes it answer.
import { button, fill, h } from "./dom.js";
import { publishedFigures, terms } from "./models_published.js";
import { worthSection } from "./models_worth.js";

const rate = (value) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));

function speed({ prompt_rate: prompt, decode_rate: decode, current }) {
  const parts = [decode && `writes ${rate(decode)} tokens/s`, prompt && `reads ${rate(prompt)} tokens/s`].filter(Boolean);
  return parts.join(", ") || (current ? "known after the first request" : "not run here yet");
}

function facts(model) {
  const rows = [
    ["File", model.file],
    ["Size", [model.size, model.quantisation, model.parameters && `${model.parameters} parameters`].filter(Boolean).join(" · ")],
    ["Speed", speed(model)],
    ["Memory", model.memory ?? "not run here yet"],
    ["Questions", model.labels ?? "not known until it has run here"],
    ["Licence", terms(model)],
  ];
  const row = ([label, value]) => h("div", {}, h("dt", { text: label }), h("dd", {}, value));
  return h("dl", { class: "facts" }, rows.map(row));
}

function state(model) {
  if (model.loading) return ["loading", "Loading…"];
  return model.current ? ["current", "Answers now"] : ["", ""];
}

export class ModelCard {
  #use;
  #drawn = "";
  #panel = null;
  element = h("article", { class: "model", data: { testid: "model" } });

  constructor({ use }) {
    this.#use = use;
  }

  /** Draws the model anew where something changed; `panel` goes into the card of the one that answers. */
  show(model, { allowed, busy, panel }) {
    const text = JSON.stringify([model, allowed, busy]);
    if (text === this.#drawn) return;
    this.#drawn = text;
    this.#panel = model.measurable ? panel : null;
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    const open = [...this.element.querySelectorAll("details[open]")].map((one) => one.dataset.testid);
    this.#draw(model, { allowed, busy });
    for (const one of this.element.querySelectorAll("details")) one.open = open.includes(one.dataset.testid);
    if (focused) (focused.isConnected ? focused : this.#like(focused) ?? this.element.querySelector("h3")).focus();
  }

  #draw(model, { allowed, busy }) {
    const [kind, words] = state(model);
    Object.assign(this.element.dataset, { state: kind, file: model.file });
    const heading = `model-${model.id}`;
    this.element.setAttribute("aria-labelledby", heading);
    fill(this.element,
      h("header", { class: "model-head" },
        h("h3", { id: heading, text: model.name, tabindex: "-1" }),
        model.demo ? h("span", { class: "tag demo", text: "demo, no medical model" }) : null,
        words ? h("span", { class: `tag ${kind}`, data: { testid: "model-state" }, text: words }) : null,
        !model.current && allowed ? button("Use this model", {
          kind: "primary small", testid: "use", on: () => this.#use(model), disabled: busy || model.loading,
        }) : null),
      model.notice ? h("p", { class: "models-note", text: model.notice }) : null,
      facts(model),
      worthSection(model.worth),
      publishedFigures(model.figures),
      this.#panel?.element);
  }

  /** What took the place of an element that was drawn anew. */
  #like(element) {
    const name = element.dataset.testid ?? element.closest("[data-testid]")?.dataset.testid;
    const found = name && this.element.querySelector(`[data-testid="${name}"]`);
    return found?.matches("details") ? found.querySelector("summary") : found;
  }
}
