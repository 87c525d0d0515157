// What stands below the options until the item is graded: hints, confidence, and Commit in a tutor session or Next where the
// choice is just kept. Draws what it is given; the moves are the caller's. Knows nothing of the options.
import { button, capital, h } from "./dom.js";

const CONFIDENCE = ["guess", "unsure", "sure"];
const CLOSED = "This item is closed: its answer can no longer be changed.";

/** What each confidence stands for, of a question with so many options. */
const MEANS = {
  guess: (options) => `as good as chance: about 1 in ${options} such answers should be right`,
  unsure: () => "about 6 in 10 such answers should be right",
  sure: () => "about 9 in 10 such answers should be right",
};

export function previousButton({ first }, actions) {
  return button("Previous", {
    icon: "prev", kind: "quiet previous", testid: "prev", title: "Previous question (P)", disabled: first, on: actions.previous,
  });
}

function confidence(work, actions) {
  const count = Object.keys(work.item.options).length;
  const segment = (value, place) => h("button", {
    type: "button", class: "segment", title: `${value}: ${MEANS[value](count)} (${place + 1})`,
    "aria-pressed": String(work.confidence === value), data: { testid: `confidence-${value}`, value },
    on: { click: () => actions.setConfidence(value) },
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

function skipButton({ last }, actions) {
  return button(last ? "Results" : "Skip", {
    icon: "next", kind: "quiet trailing", testid: "next", title: last ? "Results (R)" : "Next question (N)", on: actions.next,
  });
}

function nextButton({ last }, actions) {
  return button(last ? "Finish" : "Next", {
    icon: "next", kind: "primary trailing commit", testid: "next", on: actions.next,
    title: last ? "To the end of this block (Enter)" : "Next question (Enter); your choice is kept",
  });
}

function failure(sentence) {
  return h("div", { class: "notice", role: "alert", data: { testid: "notice" } }, h("p", { text: sentence }));
}

/** Before the item is graded; `place` {first, last, session}. */
export function footBefore(work, place, actions) {
  const { mode, hints: hinting } = place.session;
  const open = work.item.editable !== false;
  const committing = open && mode === "tutor";
  const moves = committing ? [skipButton(place, actions), commitButton(work, actions)] : [nextButton(place, actions)];
  return [
    open ? null : h("p", { class: "closed", data: { testid: "closed" }, text: CLOSED }),
    open && hinting ? hints(work, actions) : null,
    work.failure ? failure(work.failure) : null,
    h("div", { class: "actions" }, previousButton(place, actions), open ? confidence(work, actions) : null, moves),
  ];
}
