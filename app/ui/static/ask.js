// The Ask page: which conversation is open, and what leads from one to the next. Draws nothing itself:
// ask_sidebar draws the list, ask_thread the turns, ask_composer the input; ask_turn runs one answer.
import { ApiError, call, download } from "./api.js";
import { createComposer } from "./ask_composer.js";
import { createSidebar } from "./ask_sidebar.js";
import { createThread } from "./ask_thread.js";
import { runTurn } from "./ask_turn.js";
import { confirmDialog, toast } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { buildFrame } from "./frame.js";

const FOLLOW_MS = 1500;
const idInUrl = () => new URLSearchParams(location.search).get("c");

/** What is known of one conversation: {id, title, private, messages, context, running, thread}. */
const blank = (isPrivate) => ({ id: null, title: "", private: isPrivate, messages: [], context: null, running: null, thread: null });

export function start(root) {
  document.title = "Ask · LlamaCare";
  const frame = buildFrame(root, { page: "ask", title: "Ask", sideLabel: "Conversations" });
  const stage = h("div", { class: "ask-stage" });
  const answering = new Map();
  let open = null;

  const composer = createComposer({ onSend: (text) => ask(open, text), onStop: () => open.running?.stop() });
  const sidebar = createSidebar(frame.side, {
    onOpen: (id) => { frame.closeSide(); navigate(id); },
    onNew: (isPrivate) => { frame.closeSide(); navigate(null, isPrivate); },
    onRenamed: (id, title) => { if (open.id === id) { open.title = title; showTitle(open); } },
    onDeleted: (id) => { answering.get(id)?.running?.stop(); if (open.id === id) navigate(null); },
  });
  fill(frame.main, stage, composer.element);

  const actions = {
    onExample: (text) => ask(open, text),
    onRetry: (conversation, message) => ask(conversation, message.text, message),
    onEdit: (conversation, message, text) => ask(conversation, text, message),
    onExport: exportConversation,
  };

  function show(conversation) {
    open = conversation;
    conversation.thread ??= createThread(conversation, actions);
    fill(stage, conversation.thread.element);
    conversation.thread.shown();
    composer.open(conversation);
    sidebar.mark(conversation.id);
    showTitle(conversation);
  }

  /** An answer that another tab, or a connection that broke, left unfinished: look again until it has ended. */
  async function follow(conversation) {
    const unfinished = () => open === conversation && !conversation.running && conversation.messages.at(-1)?.status === "streaming";
    while (unfinished()) {
      await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
      if (!unfinished()) return;
      try {
        await refresh(conversation);
      } catch {
        continue; // The status line already says that the application does not answer.
      }
      conversation.thread.draw();
      composer.update(conversation);
    }
  }

  function showTitle(conversation) {
    if (conversation === open) document.title = `${conversation.title || "Ask"} · LlamaCare`;
    conversation.thread.drawTitle();
  }

  async function leavePrivate() {
    if (!open?.private || open.messages.length === 0) return true;
    const leave = await confirmDialog({
      heading: "Leave the private conversation?", yes: "Leave", danger: true,
      text: "It was not stored anywhere. When you leave, it is gone.",
    });
    if (leave) open.running?.stop();
    return leave;
  }

  async function navigate(id, isPrivate = false) {
    if (id !== null && id === open?.id) return;
    if (!(await leavePrivate())) return;
    history.pushState(null, "", id ? `${location.pathname}?c=${encodeURIComponent(id)}` : location.pathname);
    await load(id, isPrivate);
  }

  async function load(id, isPrivate = false) {
    if (id === null) return show(blank(isPrivate));
    if (answering.has(id)) return show(answering.get(id));
    const conversation = { ...blank(false), id };
    try {
      await refresh(conversation);
    } catch (error) {
      show(blank(false));
      return open.thread.notice(error.status === 404 ? "This conversation was not found. It may have been deleted." : error.message);
    }
    show(conversation);
    return follow(conversation);
  }

  async function refresh(conversation) {
    const kept = await call("GET", `/api/conversations/${encodeURIComponent(conversation.id)}`);
    Object.assign(conversation, { title: kept.title, messages: kept.messages, context: kept.context });
  }

  /** Ask `text`; with `replaced`, a user message, that one and all after it give way. */
  async function ask(conversation, text, replaced = null) {
    if (conversation.running || !text.trim()) return;
    const before = conversation.messages;
    if (replaced) conversation.messages = before.slice(0, before.indexOf(replaced));
    const turn = runTurn(conversation, text, replaced, {
      onConversation: () => began(conversation),
      onContext: () => composer.showContext(conversation),
    });
    conversation.running = turn;
    composer.update(conversation);
    const outcome = await turn.finished;
    conversation.running = null;
    answering.delete(conversation.id);
    if (outcome.refused) refused(conversation, before, text, replaced, outcome.sentence);
    else if (outcome.broken) await broken(conversation, text, outcome.sentence);
    composer.update(conversation);
    if (!conversation.private) sidebar.refresh();
  }

  function began(conversation) {
    if (conversation.private || !conversation.id) return;
    answering.set(conversation.id, conversation);
    if (conversation === open && idInUrl() !== conversation.id) {
      history.replaceState(null, "", `${location.pathname}?c=${encodeURIComponent(conversation.id)}`);
      composer.adopt(conversation);
    }
    showTitle(conversation);
    sidebar.mark(open.id);
    sidebar.refresh();
  }

  function refused(conversation, before, text, replaced, sentence) {
    conversation.messages = before;
    conversation.thread.draw();
    if (replaced && text !== replaced.text) conversation.thread.edit(replaced, text);
    else if (!replaced) composer.giveBack(conversation, text);
    conversation.thread.notice(sentence);
  }

  /** The stream ended early: show what the server kept, or let the reader fetch it once the server is back. */
  async function broken(conversation, text, sentence) {
    if (conversation.private || !conversation.id) {
      if (!conversation.messages.some((message) => message.role === "user" && message.text === text)) composer.giveBack(conversation, text);
      return conversation.thread.notice(sentence);
    }
    const reload = async () => {
      try {
        await refresh(conversation);
        conversation.thread.draw();
        conversation.thread.notice(sentence);
        follow(conversation);
      } catch (error) {
        conversation.thread.notice(`${sentence} ${error.message}`, { label: "Load what was kept", act: reload });
      }
      composer.update(conversation);
    };
    return reload();
  }

  async function exportConversation(conversation, format) {
    const name = `conversation.${format}`;
    try {
      if (conversation.id) await download(`/api/conversations/${encodeURIComponent(conversation.id)}/export?format=${format}`, name);
      else await download("/api/export", name, { format, title: conversation.title || "Private conversation", messages: conversation.messages });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.message, { error: true });
    }
  }

  addEventListener("popstate", async () => {
    if (await leavePrivate()) load(idInUrl());
    else history.pushState(null, "", location.pathname);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing && open?.running && !document.querySelector("dialog[open]")) open.running.stop();
  });

  show(blank(false));
  sidebar.refresh();
  if (idInUrl()) load(idInUrl());
}
