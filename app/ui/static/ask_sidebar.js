// The list of conversations: new, private, search, rename in place, export, delete. Talks to /api/conversations;
// knows nothing of what is said in them.
import { call, download } from "./api.js";
import { confirmDialog, toast } from "./dialogs.js";
import { button, fill, h } from "./dom.js";

const SEARCH_DELAY_MS = 200;
const path = (id) => `/api/conversations/${encodeURIComponent(id)}`;

function when(iso) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const days = (midnight - new Date(iso).getTime()) / 86_400_000;
  if (days <= 0) return "Today";
  if (days <= 1) return "Yesterday";
  return days <= 7 ? "Last seven days" : "Earlier";
}

/** [[heading, conversations], ...] in the order they came. */
function grouped(conversations) {
  const groups = new Map();
  for (const one of conversations) groups.set(when(one.updated), [...(groups.get(when(one.updated)) ?? []), one]);
  return [...groups];
}

/** Fill `side`; handlers: onOpen(id), onNew(private), onRenamed(id, title), onDeleted(id). */
export function createSidebar(side, { onOpen, onNew, onRenamed, onDeleted }) {
  const search = h("input", { type: "search", class: "search", placeholder: "Search conversations", "aria-label": "Search conversations", data: { testid: "search" } });
  const list = h("div", { class: "conversations", role: "group", "aria-label": "Conversations, newest first", data: { testid: "conversations" } });
  const empty = h("p", { class: "side-empty", hidden: true });
  let current = null;
  let asked = 0;
  let timer = 0;

  side.append(
    h("div", { class: "side-actions" },
      button("New conversation", { icon: "plus", kind: "wide", testid: "new", on: () => onNew(false) }),
      button("New private conversation", { icon: "lock", kind: "quiet wide", testid: "new-private", title: "Not stored, gone when you leave or reload", on: () => onNew(true) })),
    search, list, empty);
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(refresh, SEARCH_DELAY_MS); });

  async function refresh() {
    const mine = ++asked;
    const words = search.value.trim();
    try {
      const { conversations } = await call("GET", `/api/conversations?search=${encodeURIComponent(words)}`);
      if (mine !== asked || list.querySelector(".rename-field")) return;
      fill(list, grouped(conversations).map(([heading, some]) => h("section", {}, h("h2", { text: heading }), h("ul", {}, some.map(row)))));
      empty.hidden = conversations.length > 0;
      empty.textContent = words ? "Nothing found." : "No conversations yet.";
    } catch (error) {
      if (mine !== asked) return;
      empty.hidden = false;
      empty.textContent = error.message;
    }
  }

  function row(conversation) {
    const link = h("a", { class: "conversation-link", href: `${location.pathname}?c=${encodeURIComponent(conversation.id)}`, "aria-current": conversation.id === current ? "page" : undefined, title: `${conversation.title} · ${new Date(conversation.updated).toLocaleString()}`,
      on: { click: (event) => { if (event.ctrlKey || event.metaKey || event.shiftKey) return; event.preventDefault(); onOpen(conversation.id); } } },
    h("span", { class: "conversation-title", text: conversation.title || "Untitled" }));
    const tools = h("div", { class: "conversation-tools", hidden: true });
    const more = button(`More for “${conversation.title || "Untitled"}”`, { icon: "more", bare: true, kind: "quiet", testid: "more", "aria-expanded": "false", on: () => {
      tools.hidden = !tools.hidden;
      more.setAttribute("aria-expanded", String(!tools.hidden));
    } });
    const item = h("li", { class: "conversation", data: { testid: "conversation", id: conversation.id } }, h("div", { class: "conversation-row" }, link, more), tools);
    tools.append(
      button("Rename", { kind: "quiet small", testid: "rename", on: () => rename(item, conversation) }),
      button("Markdown", { kind: "quiet small", title: "Export as Markdown", testid: "item-export-md", on: () => save(conversation, "md") }),
      button("JSON", { kind: "quiet small", title: "Export as JSON", testid: "item-export-json", on: () => save(conversation, "json") }),
      button("Delete", { kind: "quiet small danger-text", testid: "delete", on: () => remove(conversation) }));
    return item;
  }

  function rename(item, conversation) {
    const field = h("input", { type: "text", class: "rename-field", "aria-label": "New title", maxlength: "200", data: { testid: "rename-field" } });
    field.value = conversation.title;
    let done = false;
    const finish = async (keep) => {
      if (done) return;
      done = true;
      const title = field.value.trim();
      field.remove();
      if (keep && title && title !== conversation.title) {
        try {
          const changed = await call("PATCH", path(conversation.id), { title });
          onRenamed(changed.id, changed.title);
        } catch (error) {
          toast(error.message, { error: true });
        }
      }
      refresh();
    };
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Enter") finish(true);
      if (event.key === "Escape") { event.stopPropagation(); finish(false); }
    });
    field.addEventListener("blur", () => finish(true));
    fill(item, field);
    field.select();
    field.focus();
  }

  async function save(conversation, format) {
    try {
      await download(`${path(conversation.id)}/export?format=${format}`, `conversation.${format}`);
    } catch (error) {
      toast(error.message, { error: true });
    }
  }

  async function remove(conversation) {
    const yes = await confirmDialog({ heading: "Delete this conversation?", text: `“${conversation.title || "Untitled"}” and all its turns will be removed for good.`, yes: "Delete", danger: true });
    if (!yes) return;
    try {
      await call("DELETE", path(conversation.id));
      onDeleted(conversation.id);
      toast("Deleted");
    } catch (error) {
      toast(error.message, { error: true });
    }
    refresh();
  }

  return {
    refresh,
    mark(id) {
      current = id;
      for (const item of list.querySelectorAll(".conversation")) {
        const link = item.querySelector("a");
        if (item.dataset.id === id) link?.setAttribute("aria-current", "page");
        else link?.removeAttribute("aria-current");
      }
    },
  };
}
