// A question just sent and the place of its answer: shown at once, filled as the server speaks.
import { ANSWER_NAME, AnswerTurn } from "./ask_turn_view.js";
import { userTurn } from "./ask_user_turn.js";
import { h } from "./dom.js";

const passages = (count) => (count === 1 ? "1 passage found." : `${count} passages found.`);

export class PendingTurn {
  #question = h("div", { class: "pending-slot" });
  #answer;
  #handlers;
  #thread;
  #thinking = false;

  /** `handlers` as AnswerTurn has them; `thread`: turns (the element), grown(), hold(element), titled(), speak(words). */
  constructor(text, handlers, thread) {
    this.#handlers = handlers;
    this.#thread = thread;
    this.#answer = new AnswerTurn(null, handlers);
    this.#question.append(userTurn({ id: "", role: "user", text }, handlers, true));
    thread.turns.append(this.#question, this.#answer.element);
    this.#answer.say("Sent. Waiting for the model…");
    thread.speak("Question sent.");
  }

  focus() {
    this.#answer.element.focus({ preventScroll: true });
  }

  say(words, share) {
    this.#answer.say(words, share);
    this.#thread.grown();
  }

  /** They are read first: from here on the page stays where they are while the text grows below. */
  sources(event) {
    this.#answer.sources(event);
    this.#thread.speak(event.found ? passages(event.passages.length) : event.sentence);
    this.#thread.hold(this.#answer.element);
  }

  /** `event`: html and reasoning, as AnswerTurn takes them; `folded`: of a text that stands folded. */
  text(event, folded = false) {
    if (event.reasoning && !this.#thinking) this.#thread.speak("The model is thinking.");
    this.#thinking ||= Boolean(event.reasoning);
    if (folded) this.#answer.draft(event);
    else this.#answer.text(event);
    this.#thread.grown();
  }

  accepted(user) {
    const turn = userTurn(user, this.#handlers);
    this.#question.replaceWith(turn);
    this.#thread.titled();
  }

  /** `count` earlier turns did not fit into the context; said once, above the answer. */
  dropped(count) {
    if (this.#answer.element.previousElementSibling?.dataset.testid === "dropped") return;
    const turns = count === 1 ? "1 earlier turn no longer fits and was" : `${count} earlier turns no longer fit and were`;
    this.#answer.element.before(
      h("p", { class: "divider-note", role: "note", data: { testid: "dropped" }, text: `${turns} left out` }));
  }

  end(message) {
    this.#answer.end(message);
    const early = message.note || "The answer ended early.";
    this.#thread.speak(message.status === "complete" ? `${ANSWER_NAME} complete.` : early);
    this.#thread.grown();
  }

  broke(sentence) {
    this.#answer.broke(sentence);
  }
}
