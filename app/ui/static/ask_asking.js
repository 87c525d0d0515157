// Asking in a conversation: from the question to the end of its answer, and what follows when it is refused, when the
// stream breaks, or when the answer is written elsewhere. Knows nothing of navigation.
import { askedBy, assumptionsOf, refresh, unfinished } from "./ask_conversation.js";
import { Turn } from "./ask_turn.js";

const FOLLOW_MS = 1500;

export class Asking {
  #answering = new Map();
  #composer;
  #options;
  #page;

  /** `page`: isOpen(conversation), began(conversation) once it has an id, ended(conversation). */
  constructor(composer, options, page) {
    this.#composer = composer;
    this.#options = options;
    this.#page = page;
  }

  /** The conversation of that id while an answer is being written in it. */
  running = (id) => this.#answering.get(id);

  /**
   * Ask `text` as the options say; with `replaced`, a user message, that one and all after it give way. `wanted`: template
   * and assumptions, where they are not those of the options and of the last answer.
   */
  async ask(conversation, text, replaced = null, wanted = {}) {
    if (conversation.running || !text.trim()) return;
    const before = conversation.messages;
    const options = { ...this.#options.chosen(), assumptions: assumptionsOf(conversation, replaced), ...wanted };
    if (replaced) conversation.messages = before.slice(0, before.indexOf(replaced));
    const turn = new Turn(conversation, text, replaced, options, {
      onConversation: () => this.#began(conversation),
      onContext: () => this.#composer.update(conversation),
    });
    conversation.running = turn;
    this.#composer.update(conversation);
    const outcome = await turn.finished;
    conversation.running = null;
    this.#answering.delete(conversation.id);
    if (outcome.refused) this.#refused(conversation, before, text, replaced, outcome.sentence);
    else if (outcome.broken) await this.#broken(conversation, text, outcome.sentence);
    this.#composer.update(conversation);
    this.#page.ended(conversation);
  }

  /**
   * Ask what `answer` answers again with other assumptions; without an answer, the last question. One that is still being
   * written gives way.
   */
  async assume(conversation, answer, template, assumptions) {
    if (conversation.running) {
      conversation.running.stop();
      await conversation.running.finished;
    }
    const { messages } = conversation;
    const asked = answer ? askedBy(conversation, answer) : messages.findLast(({ role }) => role === "user");
    if (asked) await this.ask(conversation, asked.text, asked, { template, assumptions });
  }

  /** An answer that another tab, or a connection that broke, left unfinished: look again until it has ended. */
  async follow(conversation) {
    const waiting = () => this.#page.isOpen(conversation) && unfinished(conversation);
    while (waiting()) {
      await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
      if (!waiting()) return;
      try {
        await refresh(conversation);
      } catch {
        continue; // The status line already says that the application does not answer.
      }
      conversation.thread.draw();
      this.#composer.update(conversation);
    }
  }

  #began(conversation) {
    if (conversation.private || !conversation.id) return;
    this.#answering.set(conversation.id, conversation);
    this.#page.began(conversation);
  }

  #refused(conversation, before, text, replaced, sentence) {
    conversation.messages = before;
    conversation.thread.draw();
    if (replaced && text !== replaced.text) conversation.thread.edit(replaced, text);
    else if (!replaced) this.#composer.giveBack(conversation, text);
    conversation.thread.notice(sentence);
  }

  /** The stream ended early: show what the server kept, or let the reader fetch it once the server is back. */
  async #broken(conversation, text, sentence) {
    if (conversation.private || !conversation.id) {
      const asked = conversation.messages.some((message) => message.role === "user" && message.text === text);
      if (!asked) this.#composer.giveBack(conversation, text);
      conversation.thread.notice(sentence);
      return;
    }
    try {
      await refresh(conversation);
      conversation.thread.draw();
      conversation.thread.notice(sentence);
      this.follow(conversation);
    } catch (error) {
      const again = () => this.#broken(conversation, text, sentence);
      conversation.thread.notice(`${sentence} ${error.message}`, { label: "Load what was kept", act: again });
    }
    this.#composer.update(conversation);
  }
}
