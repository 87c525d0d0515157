// The two decks of the results page: what the learner was sure of and got wrong, and where model, key and learner disagree.
// Each row opens its item; each deck can be practised.
import { button, capital, h } from "./dom.js";
import { percent } from "./practise_charts_svg.js";
import { deckSelection } from "./practise_results_words.js";

const SHOWN = 5; // rows that stand open; the rest unfolds
const STEM = 140; // letters of a stem that the server sends at most
const SURE_WRONG = "You said “sure”, and it was wrong: what is worth most to look at again.";
const DISAGREE = "You and the model chose differently, or both differ from the key. The model can be wrong too: the key decides.";

const shortened = (stem) => (stem.length < STEM ? stem : `${stem.slice(0, stem.lastIndexOf(" "))} …`);

function row(one, letters, open) {
  return h("li", {}, h("button", { type: "button", class: "deck-row", on: { click: () => open(one.session, one.position) } },
    h("span", { class: "deck-stem", text: shortened(one.stem) }),
    h("span", { class: "deck-facts" }, h("strong", { text: letters }), h("span", { text: capital(one.system || "not named") })),
    one.objective ? h("span", { class: "deck-objective", text: one.objective }) : null));
}

function deck({ heading, note, rows, letters, status, testid }, { open, start }) {
  if (!rows.length) return null;
  const selection = deckSelection(status, rows.length);
  const words = selection.count < rows.length ? `Practise ${selection.count} of these` : "Practise these";
  const list = (some) => h("ul", { class: "deck-rows" }, some.map((one) => row(one, letters(one), open)));
  const rest = rows.slice(SHOWN);
  return h("section", { class: "result-section deck", "aria-label": heading, data: { testid } },
    h("div", { class: "deck-head" }, h("h3", { text: `${heading} (${rows.length})` }),
      button(words, { icon: "retry", kind: "small", testid: `deck-${status}`, on: () => start(selection) })),
    h("p", { class: "result-note", text: note }),
    list(rows.slice(0, SHOWN)),
    rest.length ? h("details", { class: "more-fold" }, h("summary", { text: `${rest.length} more` }), list(rest)) : null);
}

export function sureWrongDeck({ sure_wrong: rows }, moves) {
  const letters = (one) => `You: ${one.chosen} · Key: ${one.key}`;
  const what = { heading: "Sure and wrong", note: SURE_WRONG, status: "sure_wrong", testid: "sure-wrong" };
  return deck({ ...what, rows, letters }, moves);
}

export function disagreementDeck({ disagreements: rows }, moves) {
  const letters = (one) => `You: ${one.chosen} · Model: ${one.model} (${percent(one.probability)}) · Key: ${one.key}`;
  const what = { heading: "Disagreements", note: DISAGREE, status: "disagreement", testid: "disagreements" };
  return deck({ ...what, rows, letters }, moves);
}
