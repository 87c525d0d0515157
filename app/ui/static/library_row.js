// One document of the list: what it is, whose it is, the way to open and to remove it.
import { button, h } from "./dom.js";
import { addressOf, documentFacts, whose } from "./document_viewer_head.js";

const when = (iso) => new Date(iso).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" });

/** `page`: selected(id) tells, select(id, on) and remove(document) do. Only one's own can be selected and removed. */
export function documentRow(found, page) {
  const box = h("input", {
    type: "checkbox", "aria-label": `Select ${found.title}`, data: { testid: "document-select" },
    on: { change: (event) => page.select(found.id, event.target.checked) },
  });
  box.checked = page.selected(found.id);
  const facts = [...documentFacts(found), `added ${when(found.added)}`];
  return h("li", { class: "document", data: { testid: "document", id: found.id, whose: whose(found) } },
    found.mine ? h("label", { class: "document-select" }, box) : h("span", { class: "document-select" }),
    h("div", { class: "document-body" },
      h("a", { class: "document-title", href: addressOf(found.id), text: found.title, data: { testid: "document-open" } }),
      h("span", { class: "tag", text: whose(found) }),
      h("p", { class: "document-facts", text: facts.join(" · ") }),
      found.file && found.file !== found.title ? h("p", { class: "document-file", text: found.file }) : null),
    found.mine ? button("Remove", {
      kind: "small danger-text", testid: "document-remove", "aria-label": `Remove ${found.title}`, on: () => page.remove(found),
    }) : null);
}
