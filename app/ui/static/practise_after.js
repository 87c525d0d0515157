// What stands below the options once the item is graded: kind of a miss, objective, deciding fact, time, when it comes back.
// Draws what it is given; the moves are the caller's. All text goes in as text.
import { button, h, icon } from "./dom.js";
import { clockText } from "./practise_clock.js";
import { previousButton } from "./practise_foot.js";
import { missButtons } from "./practise_miss.js";

export const PACE_S = 90; // what the exam gives an item
const DAY_MS = 86_400_000;

function paceWords(graded) {
  const seconds = Math.round(graded.seconds);
  const gap = `${Math.abs(PACE_S - seconds)} s ${seconds <= PACE_S ? "within" : "over"} the ${PACE_S} s of the exam`;
  const hinted = graded.hints ? `${graded.hints} hint${graded.hints === 1 ? "" : "s"}` : "";
  const said = graded.chosen ? `you said “${graded.confidence}”` : "";
  return [`Your time ${clockText(graded.seconds * 1000)}`, gap, said, hinted].filter(Boolean).join(" · ");
}

/** Whole days from today to the day of `due` on this machine's calendar. */
function daysUntil(due) {
  const [year, month, day] = due.slice(0, 10).split("-").map(Number);
  const then = due.length > 10 ? new Date(due) : new Date(year, month - 1, day);
  return Math.round((then.setHours(0, 0, 0, 0) - new Date().setHours(0, 0, 0, 0)) / DAY_MS);
}

function whenWords(days) {
  if (days <= 0) return "Comes back today";
  if (days === 1) return "Comes back tomorrow";
  return days < 60 ? `Comes back in ${days} days` : `Comes back in ${Math.round(days / 30.4)} months`;
}

function whyWords({ correct, confidence, hints, grade }) {
  if (!correct) return confidence === "sure" ? "you were sure and wrong" : "it was wrong";
  if (hints && grade !== "good" && grade !== "easy") return "you were right, with a hint";
  return { guess: "you were right but guessing", unsure: "you were right but unsure" }[confidence] ?? "you were right and sure";
}

function dueLine(graded) {
  if (!graded.due || !graded.chosen) return null;
  const words = `${whenWords(daysUntil(graded.due))}: ${whyWords(graded)}.`;
  return h("p", { class: "due", data: { testid: "due" } }, icon("retry"), h("span", { text: words }));
}

/** Where the fact was read: an address opens beside the page. */
function source(reference) {
  if (!reference) return null;
  if (!/^https?:\/\//.test(reference)) return h("cite", { text: reference });
  return h("a", { href: reference, target: "_blank", rel: "noopener noreferrer", text: new URL(reference).hostname });
}

function objective({ objective: aim, fact, reference }) {
  if (!aim && !fact) return null;
  return h("section", { class: "objective", "aria-label": "Objective", data: { testid: "objective" } },
    aim ? [h("h3", { text: "Objective" }), h("p", { text: aim })] : null,
    fact ? h("div", { class: "fact", data: { testid: "fact" } },
      h("h3", { text: "Deciding fact" }), h("p", {}, fact, reference ? " " : null, source(reference))) : null);
}

function chatLink({ objective: aim }) {
  if (!aim) return null;
  return h("a", {
    class: "chat-link", href: `/#ask=${encodeURIComponent(aim)}`, text: "Ask about this topic in the chat",
    data: { testid: "chat-link" },
  });
}

/** After the item was graded; `place` {first, last}. */
export function footAfter(work, place, actions) {
  const graded = work.item.attempt;
  const next = button(place.last ? "Results" : "Next", {
    icon: "next", kind: "primary trailing commit", testid: "next",
    title: place.last ? "Results (Enter)" : "Next question (Enter)", on: actions.next,
  });
  return [
    graded.correct || !graded.chosen ? null : missButtons(graded, actions.miss),
    objective(graded),
    h("div", { class: "after-lines" },
      h("p", { class: "pace", data: { testid: "pace" }, text: paceWords(graded) }), dueLine(graded), chatLink(graded)),
    h("div", { class: "actions" }, previousButton(place, actions), next),
  ];
}
