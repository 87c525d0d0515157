// One question on its way: the event stream from /api/ask, fed into the thread piece by piece, and Stop.
// Knows nothing of the sidebar, the address or the input.
import { ApiError, call, events } from "./api.js";

const BROKE = "The connection broke before the answer was complete.";

function request(conversation, text, replaced) {
  const history = conversation.messages.map(({ role, text: words }) => ({ role, text: words }));
  return {
    conversation: conversation.id,
    message: text,
    replace: conversation.private ? null : replaced?.id ?? null,
    private: conversation.private,
    history: conversation.private ? history : [],
  };
}

/**
 * Start the turn. Returns {stop, finished}; `finished` resolves to {} when the answer ended in whatever way the server
 * says, {refused, sentence} when nothing was started, {broken, sentence} when the stream ended without a last word.
 */
export function runTurn(conversation, text, replaced, { onConversation, onContext }) {
  const body = request(conversation, text, replaced);
  const view = conversation.thread.begin(text);
  let turn = null;
  let stopAsked = false;

  const reading = (share) => view.say(`Reading your question: ${Math.round(100 * share)} %`, share);
  const sendStop = () => call("POST", `/api/turns/${encodeURIComponent(turn)}/stop`).catch((error) => view.say(error.message));

  function stop() {
    if (stopAsked) return;
    stopAsked = true;
    view.say("Stopping…");
    if (turn) sendStop();
  }

  function take(event) {
    // Known only once the model has counted the tokens: in "fitted", or in the last event.
    if (event.dropped_turns > 0) view.dropped(event.dropped_turns);
    if (event.type === "turn") {
      turn = event.turn;
      conversation.messages = [...conversation.messages, event.user];
      if (event.conversation) Object.assign(conversation, event.conversation);
      view.accepted(event.user);
      onConversation();
      if (stopAsked) sendStop();
    } else if (event.type === "end") {
      conversation.messages = [...conversation.messages, event.message];
      conversation.context = event.context;
      view.end(event.message);
      onContext();
    } else if (!stopAsked && event.type === "queue") view.say(event.place > 0 ? `Place in the queue: ${event.place}` : "Waiting for the model to be ready…");
    else if (!stopAsked && event.type === "prefill") reading(event.done / Math.max(1, event.total));
    else if (event.type === "text") view.text(event.html);
  }

  async function run() {
    let ended = false;
    try {
      for await (const event of events("/api/ask", body)) {
        take(event);
        ended ||= event.type === "end";
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (ended) return {};
      if (turn === null) return { refused: true, sentence: error.message };
      view.broke(BROKE);
      return { broken: true, sentence: error.message };
    }
    if (ended) return {};
    view.broke(BROKE);
    return { broken: true, sentence: BROKE };
  }

  return { stop, finished: run() };
}
