// One question on its way: the event stream from /api/ask, fed into the thread piece by piece, and Stop.
// Knows nothing of the sidebar, the address or the input.
import { ApiError, call, events } from "./api.js";

const BROKE = "The connection broke before the answer was complete.";

function request(conversation, text, replaced, options) {
  const history = conversation.messages.map(({ role, text: words }) => ({ role, text: words }));
  return {
    ...options,
    conversation: conversation.id,
    message: text,
    replace: conversation.private ? null : replaced?.id ?? null,
    private: conversation.private,
    history: conversation.private ? history : [],
  };
}

/** Starts when it is made. */
export class Turn {
  #conversation;
  #page;
  #view;
  #id = null; // known once the server has taken the question
  #stopAsked = false;

  /**
   * Resolves to {} when the answer ended in whatever way the server says, {refused, sentence} when nothing was started,
   * {broken, sentence} when the stream ended without a last word.
   */
  finished;

  /**
   * `replaced`: the user message that gives way, or null; `options`: sources, ungrounded, template, assumptions;
   * `page`: onConversation() once it has an id, onContext().
   */
  constructor(conversation, text, replaced, options, page) {
    const body = request(conversation, text, replaced, options);
    this.#conversation = conversation;
    this.#page = page;
    this.#view = conversation.thread.begin(text);
    this.finished = this.#run(body);
  }

  stop() {
    if (this.#stopAsked) return;
    this.#stopAsked = true;
    this.#view.say("Stopping…");
    if (this.#id) this.#sendStop();
  }

  async #run(body) {
    let ended = false;
    try {
      for await (const event of events("/api/ask", body)) {
        this.#take(event);
        ended ||= event.type === "end";
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (ended) return {};
      if (this.#id === null) return { refused: true, sentence: error.message };
      return this.#broken(error.message);
    }
    return ended ? {} : this.#broken(BROKE);
  }

  #take(event) {
    // Known only once the model has counted the tokens: in "fitted", or in the last event.
    if (event.dropped_turns > 0) this.#view.dropped(event.dropped_turns);
    if (event.type === "turn") this.#accepted(event);
    else if (event.type === "end") this.#ended(event);
    else if (event.type === "sources") this.#view.sources(event);
    else if (event.type === "text") this.#view.text(event);
    else if (event.type === "draft") this.#view.text(event, true);
    else if (!this.#stopAsked) this.#waiting(event);
  }

  #accepted({ turn, user, conversation }) {
    this.#id = turn;
    this.#conversation.messages = [...this.#conversation.messages, user];
    if (conversation) Object.assign(this.#conversation, conversation);
    this.#view.accepted(user);
    this.#page.onConversation();
    if (this.#stopAsked) this.#sendStop();
  }

  #waiting(event) {
    if (event.type === "queue") {
      this.#view.say(event.place > 0 ? `Place in the queue: ${event.place}` : "Waiting for the model to be ready…");
    } else if (event.type === "prefill") {
      const share = event.done / Math.max(1, event.total);
      this.#view.say(`Reading your question: ${Math.round(100 * share)} %`, share);
    }
  }

  #ended({ message, context }) {
    this.#conversation.messages = [...this.#conversation.messages, message];
    this.#conversation.context = context;
    this.#view.end(message);
    this.#page.onContext();
  }

  #broken(sentence) {
    this.#view.broke(BROKE);
    return { broken: true, sentence };
  }

  #sendStop() {
    call("POST", `/api/turns/${encodeURIComponent(this.#id)}/stop`).catch((error) => this.#view.say(error.message));
  }
}
