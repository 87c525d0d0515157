// The start page: what is open goes on, the commonest session is one press away, a suggestion with its reason, a session of
// one's own, and what was done lately. Draws it; practise.js starts and opens what is pressed.
import { call } from "./api.js";
import { button, capital, fill, h } from "./dom.js";
import { clockText } from "./practise_clock.js";
import { SelectionForm, USUAL } from "./practise_form.js";

const RECENT = 6;

const day = (iso) => new Date(iso).toLocaleString(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

const heading = (id, text) => h("h3", { id, text });

const section = (name, id, title, ...children) =>
  h("section", { class: `start-section ${name}`, "aria-labelledby": id }, heading(id, title), children);

function openWords({ mode, state, answered, total, seconds_left: left }) {
  const clock = left === null || left === undefined ? "" : `${clockText(1000 * Math.ceil(left))} left${state === "paused" ? ", paused" : ""}`;
  const waits = mode === "exam" && state === "break" ? "between blocks" : "";
  return [capital(mode), `${answered} of ${total} answered`, clock || waits || (state === "paused" ? "paused" : "")].filter(Boolean).join(" · ");
}

function openRow(one, onOpen) {
  return h("li", { class: "session-line" },
    h("div", { class: "session-about" }, h("strong", { text: one.title }), h("span", { text: openWords(one) })),
    h("button", {
      type: "button", class: "button", data: { testid: "continue", session: one.id }, "aria-label": `Continue: ${one.title}`,
      on: { click: () => onOpen(one.id) },
    }, "Continue"));
}

function recentRow(one) {
  const score = one.correct === null ? "" : `${one.correct} of ${one.total} right`;
  const share = one.total ? Math.round((100 * (one.correct ?? 0)) / one.total) : 0;
  return h("li", {}, h("a", { class: "recent-line", href: `/practise#results/${encodeURIComponent(one.id)}`, data: { testid: "recent", session: one.id } },
    h("span", { class: "recent-score", text: one.correct === null ? "–" : `${share} %` }),
    h("span", { class: "session-about" }, h("strong", { text: one.title }),
      h("span", { text: [capital(one.mode), score, day(one.created)].filter(Boolean).join(" · ") }))));
}

function suggestion({ title, reason, selection }, onStart) {
  return section("suggested", "suggestion-heading", "Suggested next",
    h("div", { class: "session-line", data: { testid: "suggestion" } },
      h("div", { class: "session-about" }, h("strong", { text: title }), h("span", { text: reason })),
      button("Start", { testid: "suggestion-start", "aria-label": `Start: ${title}`, on: () => onStart(selection) })));
}

/** From a chat: the topic it came with, and the way back. */
function fromChat(topic, from) {
  return h("div", { class: "from-chat", data: { testid: "from-chat" } },
    h("p", {}, "Questions on ", h("strong", { text: topic }), ", the best matches first."),
    from ? h("a", { href: `/?c=${encodeURIComponent(from)}`, text: "Back to the chat", data: { testid: "back-to-chat" } }) : null);
}

const links = () => h("p", { class: "start-links" },
  h("a", { href: "/practise#results", text: "All results", data: { testid: "all-results" } }),
  h("a", { href: "/practise#questions", text: "Your questions and files", data: { testid: "questions" } }));

function quick(overview, onStart) {
  return h("div", { class: "quick" },
    button("Start 10 questions, tutor", { kind: "primary", testid: "start-quick", on: () => onStart(USUAL) }),
    h("p", { class: "quick-words", text: `From all ${overview.counts.total} questions, ${overview.counts.unused} of them unused.` }));
}

/**
 * Fill `stage`. `calls`: open(sessionId), start(selection); `topic` and `from` (a conversation) where a chat sent the learner
 * here. Throws ApiError.
 */
export async function drawStart(stage, { open, start, topic = "", from = "" }) {
  const overview = await call("GET", "/api/practise/overview");
  const form = new SelectionForm(overview, { onStart: start, topic });
  const going = overview.open.length ? section("going", "open-heading", "Continue",
    h("ul", { class: "session-list" }, overview.open.map((one) => openRow(one, open)))) : null;
  const recent = overview.recent.length ? section("recent", "recent-heading", "Recent sessions",
    h("ul", { class: "recent-list" }, overview.recent.slice(0, RECENT).map(recentRow))) : null;
  fill(stage, h("article", { class: "start-page", data: { testid: "start-page" } },
    h("div", { class: "start-head" }, h("h2", { text: "Practise", tabindex: "-1" }), links()),
    ...(topic ? [fromChat(topic, from), form.element, going, recent]
      : [going, quick(overview, start), overview.suggestion ? suggestion(overview.suggestion, start) : null, form.element, recent])));
  if (topic) form.focusStart();
}
