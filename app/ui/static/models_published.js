// What others have published of a model: its licence's terms and its figures, marked as theirs. Pure drawing.
import { h } from "./dom.js";

const outside = (href, text) => h("a", { href, text, target: "_blank", rel: "noopener noreferrer" });

/** The licence, with a link to its text and what it demands. */
export function terms(model) {
  if (!model.terms) return h("span", { text: model.licence });
  return h("span", {}, outside(model.terms.url, model.licence), `: ${model.terms.demands}`);
}

function figure({ set, value, how, source }) {
  return h("li", {}, h("span", { class: "figure-set", text: set }), h("strong", { text: `${value}\u202f%` }),
    h("span", { class: "figure-how" }, `${how}; `, outside(source, "source")));
}

/** null where nothing was published. */
export function publishedFigures(figures) {
  if (!figures.length) return null;
  return h("details", { class: "fold", data: { testid: "published" } },
    h("summary", { text: `Published by others, not measured here (${figures.length})` }),
    h("ul", { class: "figures" }, figures.map(figure)));
}
