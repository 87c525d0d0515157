// One conversation as the page holds it: what is known of it, fetching it, its address, its export. Draws nothing.
import { ApiError, call, download } from "./api.js";
import { toast } from "./dialogs.js";

const path = (id) => `/api/conversations/${encodeURIComponent(id)}`;

/** The conversation that the address names, or null. */
export const idInUrl = () => new URLSearchParams(location.search).get("c");
export const addressOf = (id) => (id ? `${location.pathname}?c=${encodeURIComponent(id)}` : location.pathname);

const TOPIC_CHARACTERS = 600;
const leading = (text) => [...text].slice(0, TOPIC_CHARACTERS).join("").toWellFormed();

/** The Practise page with questions on `text`, and the way back to this conversation. */
export function practiceOn(conversation, text) {
  const topic = encodeURIComponent(leading(text));
  const back = conversation.id ? `&from=${encodeURIComponent(conversation.id)}` : "";
  return `/practise#topic=${topic}${back}`;
}

/** The question that `message` answers, or `message` itself where it is a question; undefined where there is none. */
export function askedBy({ messages }, message) {
  if (message.role === "user") return message;
  return messages.slice(0, messages.indexOf(message)).findLast((one) => one.role === "user");
}

/** What the last answer took for granted, up to the one that answers `question`, or to the end without one. */
export function assumptionsOf({ messages }, question = null) {
  const upTo = question ? messages.slice(0, messages.indexOf(question) + 2) : messages;
  return upTo.findLast(({ grounds }) => grounds)?.grounds.assumptions ?? {};
}

/** The Evidence page with the question that `message` answers and the passages that it stands on. */
export function weighing(conversation, message, passages) {
  const question = encodeURIComponent(leading(askedBy(conversation, message)?.text ?? ""));
  return `/evidence#q=${question}&p=${passages.map(({ id }) => id).join(",")}`;
}

/** A question that another page wants asked ("/#ask=..."), taken out of the address; "" where there is none. */
export function takeAsked() {
  const found = /^#ask=(.*)$/.exec(location.hash);
  if (!found) return "";
  history.replaceState(null, "", location.pathname + location.search);
  try {
    return decodeURIComponent(found[1]);
  } catch {
    return "";
  }
}

/** What is known of one conversation. `running` is its turn, `thread` its drawing. */
export function blank(isPrivate, id = null) {
  return { id, title: "", private: isPrivate, messages: [], context: null, running: null, thread: null };
}

/** Fetch what the server keeps of it. Throws ApiError. */
export async function refresh(conversation) {
  const { title, messages, context } = await call("GET", path(conversation.id));
  Object.assign(conversation, { title, messages, context });
}

/** Whether its last answer is being written by another tab, or by a stream that this page has lost. */
export const unfinished = (conversation) => !conversation.running && conversation.messages.at(-1)?.status === "streaming";

/** A message as a file holds it: without its pictures. */
function exported({ html, grounds, ...kept }) {
  if (!grounds) return kept;
  const { draft_html: picture, passages, ...said } = grounds;
  return { ...kept, grounds: { ...said, passages: passages.map(({ marks, ...passage }) => passage) } };
}

/** Save as a file; a private one is sent along, because the server does not keep it. */
export async function exportConversation(conversation, format) {
  const name = `conversation.${format}`;
  const { id, title, messages } = conversation;
  try {
    if (id) await download(`${path(id)}/export?format=${format}`, name);
    else await download("/api/export", name, { format, title: title || "Private conversation", messages: messages.map(exported) });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, { error: true });
  }
}
