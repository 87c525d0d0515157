// The results page, of one session or of everything: asks the server for the figures and lays out what practise_results_* and
// practise_charts_* draw of them.
import { call } from "./api.js";
import { button, fill, h } from "./dom.js";
import { calibrationSection } from "./practise_results_calibration.js";
import { disagreementDeck, sureWrongDeck } from "./practise_results_lists.js";
import { scoreBlock, suggestionBlock } from "./practise_results_score.js";
import { sharesSection } from "./practise_results_shares.js";
import { deckSelection } from "./practise_results_words.js";

const EMPTY = "Nothing has been graded here yet. Answer a few questions, and your score, its interval and the charts stand here.";
const QUICK = 10;

function head(results, session) {
  return [
    h("h2", { text: session ? `Results: ${results.title}` : "Your results", tabindex: "-1" }),
    // With the path: Gradio's <base> would turn a bare "#results" into another page.
    session ? h("p", {}, h("a", { href: `${location.pathname}#results`, text: "All your results" })) : null,
  ];
}

function moves({ back, start }) {
  const more = () => start(deckSelection("", QUICK));
  return h("div", { class: "moves" }, button("Back", { icon: "prev", testid: "back", on: back }),
    button(`Start ${QUICK} questions`, { kind: "primary", icon: "next", testid: "new-round", on: more }));
}

function page(results, { session, open, start, back }) {
  const heading = head(results, session);
  if (!results.n && !results.score.omitted) {
    return [...heading, h("p", { class: "results-empty", text: EMPTY }), moves({ back, start })];
  }
  return [
    ...heading,
    scoreBlock(results),
    suggestionBlock(results.suggestion, start),
    results.n ? [
      sharesSection(results),
      calibrationSection(results, disagreementDeck(results, { open, start })),
      sureWrongDeck(results, { open, start }),
    ] : null,
    moves({ back, start }),
  ].flat();
}

/**
 * Fill `stage` with the results of `session` (an id, or null for everything) and focus the heading.
 * open(session, position), start(selection) and back() are called as the reader does so.
 */
export async function drawResults(stage, { session, open, start, back }) {
  const place = h("article", { class: "results", "aria-busy": "true", data: { testid: "results-page" } },
    h("p", { class: "result-note", text: "Counting…" }));
  fill(stage, place);
  const again = () => drawResults(stage, { session, open, start, back });
  try {
    const results = await call("GET", `/api/practise/results${session ? `?session=${encodeURIComponent(session)}` : ""}`);
    if (!place.isConnected) return; // the reader has gone elsewhere
    fill(place, page(results, { session, open, start, back }));
  } catch (error) {
    if (!place.isConnected) return;
    fill(place, h("h2", { text: "Results", tabindex: "-1" }),
      h("div", { class: "notice", role: "alert", data: { testid: "notice" } }, h("p", { text: error.message }),
        button("Try again", { kind: "small", on: again })),
      button("Back", { icon: "prev", testid: "back", on: back }));
  }
  place.removeAttribute("aria-busy");
  place.querySelector("h2").focus();
}
