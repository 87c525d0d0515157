// The Ask page: which conversation is open, and what leads from one to the next. Draws nothing itself: ask_sidebar
// draws the list, ask_thread the turns, ask_composer the input; ask_asking sees a question through to its answer.
import { Asking } from "./ask_asking.js";
import { Composer } from "./ask_composer.js";
import { addressOf, blank, exportConversation, idInUrl, refresh, takeAsked } from "./ask_conversation.js";
import { takeDocuments } from "./ask_documents.js";
import { Options } from "./ask_options.js";
import { AskSettings } from "./ask_settings.js";
import { Shapes } from "./ask_shapes.js";
import { Sidebar } from "./ask_sidebar.js";
import { Thread } from "./ask_thread.js";
import { confirmDialog } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { buildFrame } from "./frame.js";

const NOT_FOUND = "This conversation was not found. It may have been deleted.";

class AskPage {
  #open = blank(false);
  #stage = h("div", { class: "ask-stage" });
  #known = { settings: new AskSettings(), shapes: new Shapes() };
  #frame;
  #composer;
  #sidebar;
  #asking;
  #threadActions;
  #loads = 0; // counts them, so that a slow one never replaces a later one

  constructor(root) {
    document.title = "Ask · LlamaCare";
    this.#frame = buildFrame(root, { page: "ask", title: "Ask", sideLabel: "Conversations" });
    const options = new Options(this.#known.settings, this.#known.shapes);
    const documents = takeDocuments();
    if (documents) options.only(documents);
    this.#composer = new Composer({
      options,
      onSend: (text) => this.#asking.ask(this.#open, text),
      onStop: () => this.#open.running?.stop(),
      onUp: () => this.#open.thread.focusAnswer(),
    });
    this.#asking = new Asking(this.#composer, options, {
      isOpen: (conversation) => conversation === this.#open,
      began: (conversation) => this.#began(conversation),
      ended: (conversation) => { if (!conversation.private) this.#sidebar.refresh(); },
    });
    this.#sidebar = this.#makeSidebar();
    this.#threadActions = {
      onAsk: (text) => this.#asking.ask(this.#open, text),
      onRetry: (conversation, message) => this.#asking.ask(conversation, message.text, message),
      onEdit: (conversation, message, text) => this.#asking.ask(conversation, text, message),
      onAssume: (...what) => this.#asking.assume(...what),
      onExport: exportConversation,
    };
    fill(this.#frame.main, this.#stage, this.#composer.element);
  }

  begin() {
    addEventListener("popstate", () => this.#wentBack());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing && !document.querySelector("dialog[open]")) this.#open.running?.stop();
    });
    const asked = takeAsked();
    this.#show(this.#open);
    if (asked) this.#composer.giveBack(this.#open, asked);
    this.#sidebar.refresh();
    if (idInUrl()) this.#load(idInUrl());
  }

  #makeSidebar() {
    return new Sidebar(this.#frame.side, {
      onOpen: (id) => { this.#frame.closeSide(); this.#navigate(id); },
      onNew: (isPrivate) => { this.#frame.closeSide(); this.#navigate(null, isPrivate); },
      onRenamed: (id, title) => {
        if (this.#open.id !== id) return;
        this.#open.title = title;
        this.#showTitle(this.#open);
      },
      onDeleted: (id) => {
        this.#asking.running(id)?.running?.stop();
        if (this.#open.id === id) this.#navigate(null);
      },
    });
  }

  #show(conversation) {
    this.#open = conversation;
    conversation.thread ??= new Thread(conversation, this.#threadActions, this.#known);
    fill(this.#stage, conversation.thread.element);
    conversation.thread.shown();
    this.#composer.open(conversation);
    this.#sidebar.mark(conversation.id);
    this.#showTitle(conversation);
  }

  #showTitle(conversation) {
    if (conversation === this.#open) document.title = `${conversation.title || "Ask"} · LlamaCare`;
    conversation.thread.drawTitle();
  }

  /** A question was taken, and the conversation has its id: the address, the draft and the list follow. */
  #began(conversation) {
    if (conversation === this.#open && idInUrl() !== conversation.id) {
      history.replaceState(null, "", addressOf(conversation.id));
      this.#composer.adopt(conversation);
    }
    this.#showTitle(conversation);
    this.#sidebar.mark(this.#open.id);
    this.#sidebar.refresh();
  }

  async #leavePrivate() {
    if (!this.#open.private || this.#open.messages.length === 0) return true;
    const leave = await confirmDialog({
      heading: "Leave the private conversation?", yes: "Leave", danger: true,
      text: "It was not stored anywhere. When you leave, it is gone.",
    });
    if (leave) this.#open.running?.stop();
    return leave;
  }

  async #navigate(id, isPrivate = false) {
    if (id !== null && id === this.#open.id) return;
    if (!(await this.#leavePrivate())) return;
    history.pushState(null, "", addressOf(id));
    await this.#load(id, isPrivate);
  }

  async #wentBack() {
    if (await this.#leavePrivate()) this.#load(idInUrl());
    else history.pushState(null, "", location.pathname);
  }

  async #load(id, isPrivate = false) {
    const mine = ++this.#loads;
    if (id === null) return this.#show(blank(isPrivate));
    const running = this.#asking.running(id);
    if (running) return this.#show(running);
    const conversation = blank(false, id);
    try {
      await refresh(conversation);
    } catch (error) {
      if (mine !== this.#loads) return undefined;
      this.#show(blank(false));
      return this.#open.thread.notice(error.status === 404 ? NOT_FOUND : error.message);
    }
    if (mine !== this.#loads) return undefined;
    this.#show(conversation);
    return this.#asking.follow(conversation);
  }
}

export function start(root) {
  new AskPage(root).begin();
}
