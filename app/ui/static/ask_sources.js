// What an answer stands on, shown before its first word: a card for each passage, or that nothing was found. A card opens
// its passage. Knows nothing of the answer.
import { excerpt, factsOf, show, titleOf } from "./ask_passages.js";
import { fill, h } from "./dom.js";
import { marked } from "./spans.js";

const SHOWN = 3;
const NEAREST = "Nearest passages";
const NOTHING = /^no source/i;

function card(passage, hidden) {
  const { text, marks } = excerpt(passage);
  const facts = factsOf(passage).join(" · ");
  return h("li", { hidden }, h("button", {
    type: "button", class: "source-card", data: { testid: "source", number: passage.number },
    "aria-label": `Source ${passage.number}: ${titleOf(passage)}, ${facts}. Open the passage.`,
    on: { click: () => show(passage) },
  },
  h("span", { class: "source-head" }, h("span", { class: "source-number", text: String(passage.number) }),
    h("span", { class: "source-title", text: titleOf(passage) })),
  h("span", { class: "source-facts", text: facts }),
  h("span", { class: "source-text" }, marked(text, marks))));
}

/** The button that shows `rest`, cards that are hidden so far; null where there are none. */
function moreButton(rest) {
  if (rest.length === 0) return null;
  const more = h("button", {
    type: "button", class: "button quiet small sources-more", data: { testid: "sources-more" }, on: { click: () => reveal() },
  }, h("span", { text: `${rest.length} more` }), h("span", { class: "sr-only", text: " sources" }));
  const reveal = () => {
    for (const item of rest) item.hidden = false;
    rest[0].firstChild.focus();
    more.remove();
  };
  return more;
}

/** The cards, those after the third behind one button, and what was searched for besides the words of the question. */
function cards(passages, expanded, name) {
  const items = passages.map((passage, place) => card(passage, place >= SHOWN));
  const more = moreButton(items.slice(SHOWN));
  const also = expanded.length === 0 ? null
    : h("p", { class: "sources-expanded", text: `Searched for as well: ${expanded.join("; ")}` });
  return [
    items.length > 0 ? h("ol", { class: "source-cards", "aria-label": name }, items) : null,
    more || also ? h("div", { class: "sources-foot" }, more, also) : null,
  ];
}

/** A sentence in a box, with a sign: said before anything else. */
function box(testid, lead, sentence) {
  return h("div", { class: "no-source", role: "note", data: { testid } },
    h("span", { class: "sign", "aria-hidden": "true", text: "!" }),
    h("p", {}, lead ? h("strong", { text: lead }) : null, sentence));
}

function ground({ found, sentence, erased }) {
  if (erased) return box("erased", "", sentence);
  if (!found) return box("no-source", NOTHING.test(sentence) ? "" : "No source: ", sentence);
  return h("p", { class: "sources-sentence", data: { testid: "sources-sentence" }, text: sentence });
}

/** Fill `element` with the sources of `grounds`, or with the passages that come nearest where nothing answers. */
export function drawSources(element, grounds) {
  const { found, passages, expanded } = grounds;
  const near = !found && passages.length > 0 ? h("h3", { class: "part-name", text: NEAREST, data: { testid: "nearest" } }) : null;
  fill(element, ground(grounds), near, cards(passages, expanded, found ? "Sources" : NEAREST));
}
