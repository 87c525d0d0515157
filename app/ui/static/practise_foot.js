// What stands below the options: hints, confidence and Commit before committing; objective, pace and Next afterwards.
// Draws what it is given; the moves are the caller's. All text goes in as text.
// Knows nothing of the options.
import { button, capital, h } from "./dom.js";
import { clockText } from "./practise_clock.js";

export const PACE_S = 90; // what the exam gives an item
const CONFIDENCE = ["guess", "unsure", "sure"];

function previousButton({ first }, actions) {
  return button("Previous", {
    icon: "prev", kind: "quiet previous", testid: "prev", title: "Previous question (P)", disabled: first, on: actions.previous,
  });
}

function confidence(work, actions) {
  const segment = (value, place) => h("button", {
    type: "button", class: "segment", title: `${value} (${place + 1})`, "aria-pressed": String(work.confidence === value),
    data: { testid: `confidence-${value}`, value }, on: { click: () => actions.setConfidence(value) },
  }, h("span", { text: capital(value) }), h("kbd", { text: place + 1, "aria-hidden": "true" }));
  return h("fieldset", { class: "confidence", data: { testid: "confidence" } },
    h("legend", { class: "sr-only", text: "How sure are you?" }),
    h("div", { class: "segments" }, CONFIDENCE.map(segment)));
}

function hints(work, actions) {
  const total = work.item.hints_total;
  const shown = work.hints.length;
  if (total === 0) return null;
  const line = (text, place) => h("div", { class: "hint", data: { testid: "hint-text" } },
    h("span", { class: "hint-name", text: `Hint ${place + 1} of ${total}` }), h("p", { text }));
  const more = () => button(`Hint ${shown + 1} of ${total}`, {
    icon: "hint", kind: "quiet small", testid: "hint", title: "Show a hint (H)",
    "aria-disabled": work.hinting ? "true" : undefined, on: actions.hint,
  });
  return h("div", { class: "hints", "aria-live": "polite" }, work.hints.map(line), shown < total ? more() : null);
}

function commitButton(work, actions) {
  return button(work.committing ? "Committing…" : "Commit", {
    kind: "primary commit", testid: "commit", title: "Commit your answer (Enter)",
    disabled: work.chosen === null || work.committing, on: actions.commit,
  });
}

function failure(sentence) {
  return h("div", { class: "notice", role: "alert", data: { testid: "notice" } }, h("p", { text: sentence }));
}

/** Before committing; `place` {first, last} in the round. */
export function footBefore(work, place, actions) {
  const skip = button(place.last ? "Results" : "Skip", {
    icon: "next", kind: "quiet trailing", testid: "next", title: place.last ? "Results (R)" : "Next question (N)",
    on: actions.next,
  });
  return [
    hints(work, actions),
    work.failure ? failure(work.failure) : null,
    h("div", { class: "actions" },
      previousButton(place, actions), confidence(work, actions), skip, commitButton(work, actions)),
  ];
}

function paceWords(graded) {
  const seconds = Math.round(graded.seconds);
  const gap = `${Math.abs(PACE_S - seconds)} s ${seconds <= PACE_S ? "within" : "over"} the ${PACE_S} s of the exam`;
  const hinted = graded.hints ? `${graded.hints} hint${graded.hints === 1 ? "" : "s"}` : "";
  const words = [`Your time ${clockText(graded.seconds * 1000)}`, gap, `you said “${graded.confidence}”`, hinted];
  return words.filter(Boolean).join(" · ");
}

/** After committing. */
export function footAfter(work, place, actions) {
  const graded = work.item.attempt;
  const next = button(place.last ? "Results" : "Next", {
    icon: "next", kind: "primary trailing commit", testid: "next",
    title: place.last ? "Results (Enter)" : "Next question (Enter)", on: actions.next,
  });
  return [
    h("section", { class: "objective", "aria-label": "Objective", data: { testid: "objective" } },
      h("h3", { text: "Objective" }), h("p", { text: graded.objective })),
    h("p", { class: "pace", data: { testid: "pace" }, text: paceWords(graded) }),
    h("div", { class: "actions" }, previousButton(place, actions), next),
  ];
}
