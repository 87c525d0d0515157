// What a report on an answer is about. A private answer is sent along, because the server does not keep it.
import { askedBy } from "./ask_conversation.js";

/** What the page holds of `answer` and its question, so that its prompt can be made again. What was said before stays here. */
function held({ messages }, answer) {
  const { grounds } = answer;
  const asked = askedBy({ messages }, answer);
  return {
    question: asked?.text ?? "",
    answer: answer.text,
    model: answer.model,
    passages: grounds?.found ? grounds.passages.map(({ id }) => id) : [], // what it stands on, not what came near
    draft: grounds?.draft_text ?? "",
    template: grounds?.template ?? "",
    assumptions: grounds?.assumptions ?? {},
  };
}

/** What `openReport` takes for `answer`, a message of `conversation`. */
export function reported(conversation, answer) {
  if (conversation.private) return { message: null, conversation: null, kept: held(conversation, answer) };
  return { message: answer.id, conversation: conversation.id, kept: null };
}
