// One model of the catalogue that is not at hand, with the command that fetches it. Pure drawing.
import { copyText } from "./dialogs.js";
import { button, h } from "./dom.js";
import { publishedFigures, terms } from "./models_published.js";

const UNCHECKED = "No digest of this file is published, so it cannot be checked.";

export function catalogueEntry(entry) {
  const about = [`${entry.parameters} parameters`, entry.quantisation, entry.size, entry.memory && `needs about ${entry.memory} of memory`];
  const heading = `entry-${entry.id}`;
  return h("article", { class: "model", "aria-labelledby": heading, data: { testid: "entry", id: entry.id } },
    h("header", { class: "model-head" },
      h("h3", { id: heading, text: entry.name }),
      h("span", { class: "tag", text: entry.medical ? "medical" : "general" }),
      entry.thinking ? h("span", { class: "tag", text: "always thinks first" }) : null),
    h("p", { class: "entry-about", text: about.filter(Boolean).join(" · ") }),
    h("p", { class: "entry-about" }, terms(entry)),
    entry.checked ? null : h("p", { class: "models-note", text: UNCHECKED }),
    h("div", { class: "command" },
      h("code", { text: entry.command }),
      button("Copy", {
        icon: "copy", kind: "small", testid: "copy-command", title: `Copy the command for ${entry.name}`,
        on: () => copyText(entry.command),
      })),
    publishedFigures(entry.figures));
}
