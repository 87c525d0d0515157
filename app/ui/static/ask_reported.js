// What a report on an answer is about. A private answer is sent along, because the server does not keep it.
import { askedBy } from "./ask_conversation.js";

/** What the page holds of `answer` and of what led to it, so that the prompt can be made again. */
function held({ messages }, answer) {
  const { grounds } = answer;
  const asked = askedBy({ messages }, answer);
  return {
    question: asked?.text ?? "",
    answer: answer.text,
    model: answer.model,
    passages: (grounds?.passages ?? []).map(({ id }) => id),
    draft: grounds?.draft_text ?? "",
    template: grounds?.template ?? "",
    assumptions: grounds?.assumptions ?? {},
    history: messages.slice(0, Math.max(0, messages.indexOf(asked))).map(({ role, text }) => ({ role, text })),
  };
}

/** What `openReport` takes for `answer`, a message of `conversation`. */
export function reported(conversation, answer) {
  if (conversation.private) return { message: null, conversation: null, kept: held(conversation, answer) };
  return { message: answer.id, conversation: conversation.id, kept: null };
}
