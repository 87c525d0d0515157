// The foot of an answer that has ended: its note, who wrote it and how fast, and what can be done with it.
import { answerText } from "./ask_copy.js";
import { copyText } from "./dialogs.js";
import { button, h, icon } from "./dom.js";

export const REPLACES = "This replaces everything after it.";

const seconds = (value) => `first word ${value.toFixed(1)} s`;
const speed = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} tokens/s`;
const known = (value) => value !== null && value !== undefined;

/** Who wrote it, on what ground, how fast. */
function facts(message) {
  const figures = [
    known(message.first_token_s) ? seconds(message.first_token_s) : "",
    known(message.tokens_per_s) ? speed(message.tokens_per_s) : "",
  ].filter(Boolean).join(" · ");
  return h("p", { class: "answer-facts", data: { testid: "answer-facts" } },
    message.model ? h("span", { class: "answer-model", text: message.model }) : null,
    h("span", { class: "answer-source", text: message.source || "model knowledge, no source" }),
    figures ? h("span", { class: "answer-speed", text: figures }) : null);
}

/** A link that looks as a button; `blank`: in another tab, because leaving this page loses what it holds. */
export function linkButton(label, { href, blank, iconName, title, testid }) {
  return h("a", {
    class: "button quiet small", href, target: blank ? "_blank" : undefined, rel: blank ? "noopener" : undefined,
    title: `${title}${blank ? ", in another tab" : ""}`, data: { testid },
  }, icon(iconName), h("span", { text: label }));
}

function weighing(message, grounds, handlers) {
  if (!grounds?.found || grounds.passages.length === 0) return null;
  return linkButton("Weigh this evidence", {
    ...handlers.weigh(message, grounds.passages), iconName: "chart", testid: "weigh",
    title: "Read the question from these passages as yes, no or maybe",
  });
}

/** `grounds` of the message, or null; `handlers` as AnswerTurn has them. */
export function footParts(message, grounds, handlers) {
  const retry = () => { if (!handlers.busy()) handlers.retry(message); };
  const said = message.note === grounds?.sentence; // above, before anything else
  return [
    message.note && !said ? h("p", { class: `note ${message.status}`, text: message.note, data: { testid: "note" } }) : null,
    facts(message),
    h("div", { class: "turn-tools" },
      button("Copy", {
        icon: "copy", kind: "quiet small", testid: "copy", title: grounds ? "Copy the answer with its sources" : undefined,
        on: () => copyText(answerText(message)),
      }),
      button("Retry", { icon: "retry", kind: "quiet small", testid: "retry", title: `Ask the same again. ${REPLACES}`, on: retry }),
      weighing(message, grounds, handlers),
      handlers.report ? button("Report", {
        icon: "flag", kind: "quiet small", testid: "report", title: "Say that this answer is wrong or unsafe",
        on: () => handlers.report(message),
      }) : null),
  ];
}
