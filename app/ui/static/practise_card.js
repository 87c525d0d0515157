// One question: stem, options, confidence, hints, and after committing the key, explanations and objective in place.
// Draws what it is given; the moves are the caller's. All text goes in as text.
import { createOptions } from "./practise_options.js";
import { clockText } from "./practise_clock.js";
import { button, fill, h, icon } from "./dom.js";

const CONFIDENCE = ["guess", "unsure", "sure"];
const PACE_S = 90;

export function createCard(actions) {
  const time = h("span", { class: "clock-face", text: "0:00", data: { testid: "clock" } });
  const head = h("div", { class: "card-head" });
  const stem = h("div", { class: "stem", data: { testid: "stem" } });
  const options = createOptions(actions);
  const foot = h("div", { class: "card-foot" });
  const element = h("article", { class: "card", "aria-labelledby": "question-heading", data: { testid: "card" } }, head, stem, options.element, foot);
  const verdict = h("p", { class: "verdict", tabindex: "-1", data: { testid: "verdict" } });
  let drawn = null;

  function drawHead(work, { total }) {
    const { item } = work;
    const clock = item.attempt ? null : h("p", { class: "clock", title: `The exam gives ${PACE_S} seconds an item` }, h("span", { class: "sr-only", text: "Time on this question " }), time, h("span", { text: " of 1:30" }));
    if (clock) time.textContent = clockText(work.elapsed);
    fill(head,
      h("div", { class: "card-title" },
        h("h2", { id: "question-heading", text: `Question ${item.number}` }, h("span", { class: "of-total", text: ` of ${total}` })),
        clock,
        button(item.flagged ? "Flagged" : "Flag", { icon: "flag", kind: `quiet small flag${item.flagged ? " on" : ""}`, testid: "flag", "aria-pressed": String(item.flagged), title: "Flag this question (F)", on: actions.flag })),
      h("ul", { class: "chips", "aria-label": "Topic" }, [item.system, item.subject, `Step ${item.step}`].filter(Boolean).map((text) => h("li", { text: text[0].toUpperCase() + text.slice(1) }))));
  }

  function confidence(work) {
    return h("fieldset", { class: "confidence", data: { testid: "confidence" } },
      h("legend", { class: "sr-only", text: "How sure are you?" }),
      h("div", { class: "segments" }, CONFIDENCE.map((value, place) => h("button", {
        type: "button", class: "segment", "aria-pressed": String(work.confidence === value), title: `${value} (${place + 1})`, data: { testid: `confidence-${value}`, value }, on: { click: () => actions.setConfidence(value) },
      }, h("span", { text: value[0].toUpperCase() + value.slice(1) }), h("kbd", { text: place + 1, "aria-hidden": "true" })))));
  }

  function hints(work) {
    const total = work.item.hints_total;
    if (total === 0) return null;
    const more = work.hints.length < total;
    return h("div", { class: "hints", "aria-live": "polite" },
      work.hints.map((text, place) => h("div", { class: "hint", data: { testid: "hint-text" } }, h("span", { class: "hint-name", text: `Hint ${place + 1} of ${total}` }), h("p", { text }))),
      more ? button(`Hint ${work.hints.length + 1} of ${total}`, { icon: "hint", kind: "quiet small", testid: "hint", title: "Show a hint (H)", "aria-disabled": work.hinting ? "true" : undefined, on: actions.hint }) : null);
  }

  function before(work, place) {
    return [
      hints(work),
      work.failure ? h("div", { class: "notice", role: "alert", data: { testid: "notice" } }, h("p", { text: work.failure })) : null,
      h("div", { class: "actions" }, previous(place), confidence(work),
        button(place.last ? "Results" : "Skip", { icon: "next", kind: "quiet trailing", testid: "next", title: place.last ? "Results (R)" : "Next question (N)", on: actions.next }),
        button(work.committing ? "Committing…" : "Commit", { kind: "primary commit", testid: "commit", title: "Commit your answer (Enter)", disabled: work.chosen === null || work.committing, on: actions.commit })),
    ];
  }

  function paceWords(graded) {
    const seconds = Math.round(graded.seconds);
    const gap = Math.abs(PACE_S - seconds);
    const against = seconds <= PACE_S ? `${gap} s within the ${PACE_S} s of the exam` : `${gap} s over the ${PACE_S} s of the exam`;
    return `Your time ${clockText(graded.seconds * 1000)} · ${against}`;
  }

  function after(work, place) {
    const graded = work.item.attempt;
    const used = graded.hints === 1 ? "1 hint" : `${graded.hints} hints`;
    return [
      h("section", { class: "objective", "aria-label": "Objective", data: { testid: "objective" } }, h("h3", { text: "Objective" }), h("p", { text: graded.objective })),
      h("p", { class: "pace", data: { testid: "pace" }, text: [paceWords(graded), `you said “${graded.confidence}”`, graded.hints ? used : ""].filter(Boolean).join(" · ") }),
      h("div", { class: "actions" }, previous(place),
        button(place.last ? "Results" : "Next", { icon: "next", kind: "primary trailing commit", testid: "next", title: place.last ? "Results (Enter)" : "Next question (Enter)", on: actions.next })),
    ];
  }

  const previous = ({ first }) => button("Previous", { icon: "prev", kind: "quiet previous", testid: "prev", title: "Previous question (P)", disabled: first, on: actions.previous });

  function drawVerdict(work) {
    const graded = work.item.attempt;
    verdict.className = `verdict ${graded.correct ? "right" : "wrong"}`;
    fill(verdict, icon(graded.correct ? "check" : "cross"),
      h("strong", { text: graded.correct ? "Correct" : "Not correct" }),
      h("span", { text: graded.correct ? `The answer is ${graded.key}.` : `The answer is ${graded.key}; you chose ${graded.chosen}.` }));
    return verdict;
  }

  return {
    element, time,
    draw(work, place) {
      const held = element.contains(document.activeElement) ? document.activeElement.dataset.testid : null;
      drawHead(work, place);
      if (drawn !== work) fill(stem, work.item.stem.split(/\n+/).map((text) => h("p", { text })));
      drawn = work;
      options.draw(work);
      fill(foot, work.item.attempt ? [...after(work, place)] : before(work, place));
      if (work.item.attempt) options.element.before(drawVerdict(work));
      else verdict.remove();
      element.dataset.committed = String(Boolean(work.item.attempt));
      if (held && held !== "option" && !element.contains(document.activeElement)) element.querySelector(`[data-testid="${held}"]`)?.focus();
    },
    drawReadout: options.draw,
    focusOption: options.focus,
    /** Move reading to the verdict: into view where it is out of it, as on a phone. */
    focusVerdict() {
      verdict.focus({ preventScroll: true });
      verdict.scrollIntoView({ block: "nearest" });
    },
    focusedLetter: options.focusedLetter,
    beside: options.beside,
  };
}
