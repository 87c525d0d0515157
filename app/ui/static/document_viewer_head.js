// What is said of a document over its text: title, facts, licence, where it comes from. An address is shown as text, to copy:
// nothing here leads away from this machine.
import { askAddress, called } from "./ask_documents.js";
import { copyText } from "./dialogs.js";
import { button, h, thousands } from "./dom.js";

/** "1 passage", "12 passages" */
export const counted = (n, one, several = `${one}s`) => `${thousands(n)} ${n === 1 ? one : several}`;

/** Where the library opens a document, at one of its passages. With its path: a page's <base> is not the page. */
export const addressOf = (document, passage = null) => (
  `/library#d/${encodeURIComponent(document)}${passage === null ? "" : `/${passage}`}`);

/** Whose a document is, in a word. */
export const whose = ({ sample, shared }) => (sample ? "Sample" : shared ? "Shared" : "Yours");

const KINDS = { pdf: "PDF", docx: "Word", html: "HTML", markdown: "Markdown", text: "Text", jsonl: "Row of JSON Lines" };

/** What is known of a document, short: ["PDF", "12 pages", ...]. */
export function documentFacts({ kind, pages, passages, date, licence }) {
  return [
    KINDS[kind] ?? kind, pages ? counted(pages, "page") : null, counted(passages, "passage"),
    date ? `dated ${date}` : null, licence ? `licence: ${licence}` : null,
  ].filter(Boolean);
}

function sourceLine(source) {
  return h("p", { class: "viewer-source" }, h("span", { text: `Source: ${source}` }),
    button("Copy the source", { icon: "copy", bare: true, kind: "small", testid: "viewer-copy", on: () => copyText(source) }));
}

export function documentHead(found, { number, passage, here }) {
  const tab = here ? {} : { target: "_blank", rel: "noopener" };
  return [
    h("h2", { id: "viewer-heading", text: found.title }),
    h("p", { class: "viewer-facts" }, h("span", { class: "tag", text: whose(found) }), " ",
      documentFacts(found).join(" · ")),
    found.sample ? h("p", { class: "viewer-note", text: "A sample page that comes with LlamaCare, to try it with." }) : null,
    found.source ? sourceLine(found.source) : null,
    h("p", { class: "viewer-moves" },
      number ? h("span", { class: "viewer-number", text: `Opened at citation ${number}` }) : null,
      h("a", {
        href: askAddress([found.id], called(found.title)), text: here ? "Ask this document" : "Ask this document (new tab)",
        data: { testid: "viewer-ask" }, ...tab,
      }),
      here ? null : h("a", {
        href: addressOf(found.id, passage), text: "Open in the library (new tab)", data: { testid: "viewer-library" }, ...tab,
      })),
  ];
}
