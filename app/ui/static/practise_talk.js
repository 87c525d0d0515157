// What was asked about one item and answered: fetching what is kept, asking, the stream of an answer, Stop. The answer's
// elements are those of the Ask page. Knows nothing of the panel it shows in.
import { ApiError, call, events } from "./api.js";
import { FollowingScroller } from "./ask_scroller.js";
import { AnswerTurn } from "./ask_turn_view.js";
import { fill, h } from "./dom.js";
import { itemPath } from "./practise_paths.js";

const BROKE = "The connection broke before the answer was complete. What was kept shows when you open this again.";
const FOLLOW_MS = 1500;
// What an answer without a record of its own is drawn with.
const PLAIN = { id: "", reasoning: "", note: "", model: "", source: "this item’s text and explanations", html: "", text: "" };

const known = (message) => Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null && value !== ""));

function question(text) {
  return h("article", { class: "turn user", "aria-label": "Your question", data: { testid: "tutor-question" } },
    h("div", { class: "user-text", text }));
}

function notice(text) {
  return h("p", { class: "tutor-notice", role: "note", data: { testid: "tutor-notice" }, text });
}

export class Talk {
  #work;
  #path;
  #changed;
  #hinted;
  #turns = h("div", { class: "turns" });
  #scroller = new FollowingScroller(this.#turns);
  #loading = null; // once it is fetched, or being fetched
  #turn = null; // the server's id of the answer being written
  #stopAsked = false;
  running = false;
  failure = "";
  element = this.#scroller.element;

  /** `changed()` is called when it begins or ends to run, or fails; `hinted(work)` when an answer has opened a hint. */
  constructor(work, changed, hinted) {
    this.#work = work;
    this.#hinted = hinted;
    this.#path = itemPath(work, "/tutor");
    this.#changed = changed;
    this.element.setAttribute("aria-label", "Questions and answers");
    this.element.setAttribute("role", "log");
    this.element.tabIndex = 0;
  }

  get empty() {
    return !this.#turns.hasChildNodes();
  }

  /** Fetch what the server keeps; once, and again after a stream that broke. */
  load() {
    if (!this.running) this.#loading ??= this.#fetch();
    return this.#loading;
  }

  async #fetch() {
    try {
      const { messages } = await call("GET", this.#path);
      fill(this.#turns, messages.map((message) => this.#drawn(message)));
      this.#scroller.toEnd();
      if (messages.at(-1)?.status === "streaming") setTimeout(() => this.#follow(), FOLLOW_MS);
    } catch (error) {
      this.#loading = null;
      this.failure = error.message;
    }
    this.#changed();
  }

  /** An answer that another tab, or a page that was left, began: look again until it has ended. */
  #follow() {
    this.#loading = null;
    if (this.element.isConnected) this.load();
  }

  /** Ask `text`. Resolves to false where it was refused, so that it can be given back. */
  async ask(text) {
    await this.load();
    const asked = question(text);
    const { view, shell } = this.#answer(null);
    this.running = true;
    this.#turn = null;
    this.#stopAsked = false;
    this.failure = "";
    this.#turns.append(asked, shell);
    view.say("Sent. Waiting for the model…");
    this.#scroller.toEnd();
    this.#changed();
    const taken = await this.#stream(text, view, shell);
    if (!taken) {
      asked.remove();
      shell.remove();
    }
    this.running = false;
    this.#changed();
    return taken;
  }

  stop() {
    if (!this.running || this.#stopAsked) return;
    this.#stopAsked = true;
    this.#sendStop();
  }

  async #stream(text, view, shell) {
    let ended = false;
    try {
      for await (const event of events(this.#path, { message: text })) {
        this.#take(event, view, shell);
        ended ||= event.type === "end";
      }
      if (!ended) this.#broke(view);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (ended) return true;
      if (this.#turn === null) {
        this.failure = error.message;
        return false;
      }
      this.#broke(view);
    }
    return true;
  }

  #broke(view) {
    view.broke(BROKE);
    this.#loading = null;
  }

  #take(event, view, shell) {
    if (event.type === "turn") {
      this.#turn = event.turn;
      if (this.#stopAsked) this.#sendStop();
    } else if (event.type === "hints") {
      this.#work.hints = event.hints;
      this.#hinted(this.#work);
    } else if (event.type === "notice") shell.append(notice(event.text));
    else if (event.type === "text") view.text(event);
    else if (event.type === "end") this.#end(view, event.message);
    else if (this.#stopAsked) view.say("Stopping…");
    else if (event.type === "queue") {
      view.say(event.place > 0 ? `Place in the queue: ${event.place}` : "Waiting for the model to be ready…");
    } else if (event.type === "prefill") {
      const share = event.done / Math.max(1, event.total);
      view.say(`Reading the item: ${Math.round(100 * share)} %`, share);
    }
    this.#scroller.grown();
  }

  #sendStop() {
    if (this.#turn === null) return;
    call("POST", `/api/turns/${encodeURIComponent(this.#turn)}/stop`).catch((error) => {
      this.failure = error.message;
      this.#changed();
    });
  }

  #drawn(message) {
    if (message.role === "user") return question(message.text);
    if (message.status === "streaming") return this.#answer({ ...PLAIN, ...known(message) }).shell;
    const { view, shell } = this.#answer(null);
    this.#end(view, message);
    return shell;
  }

  #answer(message) {
    const view = new AnswerTurn(message, { busy: () => true, retry: () => {} });
    return { view, shell: h("div", { class: "tutor-turn", data: { testid: "tutor-answer" } }, view.element) };
  }

  /** A notice that stands below the answer is not said in its note again. There is no retry: one asks again in words. */
  #end(view, message) {
    const said = view.element.parentElement.querySelector(".tutor-notice")?.textContent ?? "";
    const note = (message.note ?? "").replace(said, "").trim();
    view.end({ ...PLAIN, ...known({ ...message, note }) });
    view.element.querySelector('[data-testid="retry"]')?.remove();
  }
}
