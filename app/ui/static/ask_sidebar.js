// The list of conversations: new, private, search, and what is done to one of them. Talks to /api/conversations;
// knows nothing of what is said in them. ask_sidebar_row draws the rows.
import { conversationRow, renameField } from "./ask_sidebar_row.js";
import { call, download } from "./api.js";
import { confirmDialog, toast } from "./dialogs.js";
import { button, fill, h } from "./dom.js";

const SEARCH_DELAY_MS = 200;
const DAY_MS = 86_400_000;
const path = (id) => `/api/conversations/${encodeURIComponent(id)}`;

function when(iso) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const days = (midnight - new Date(iso).getTime()) / DAY_MS;
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

/** Do `act`; its failure becomes a toast. */
async function tried(act) {
  try {
    await act();
  } catch (error) {
    toast(error.message, { error: true });
  }
}

export class Sidebar {
  #page;
  #search = h("input", {
    type: "search", class: "search", placeholder: "Search conversations", "aria-label": "Search conversations",
    data: { testid: "search" }, on: { input: () => this.#searched() },
  });
  #list = h("div", {
    class: "conversations", role: "group", "aria-label": "Conversations, newest first", data: { testid: "conversations" },
  });
  #empty = h("p", { class: "side-empty", hidden: true });
  #open = null; // the id of the open conversation
  #asked = 0; // counts searches, so that a slow one never replaces a later one
  #timer = 0;

  /** Fill `side`; `page`: onOpen(id), onNew(private), onRenamed(id, title), onDeleted(id). */
  constructor(side, page) {
    this.#page = page;
    side.append(
      h("div", { class: "side-actions" },
        button("New conversation", { icon: "plus", kind: "wide", testid: "new", on: () => page.onNew(false) }),
        button("New private conversation", {
          icon: "lock", kind: "quiet wide", testid: "new-private", title: "Not stored, gone when you leave or reload",
          on: () => page.onNew(true),
        })),
      this.#search, this.#list, this.#empty);
  }

  async refresh() {
    const mine = ++this.#asked;
    const words = this.#search.value.trim();
    try {
      const { conversations } = await call("GET", `/api/conversations?search=${encodeURIComponent(words)}`);
      if (mine !== this.#asked || this.#list.querySelector(".rename-field")) return;
      this.#draw(conversations);
      this.#sayEmpty(conversations.length > 0, words ? "Nothing found." : "No conversations yet.");
    } catch (error) {
      if (mine === this.#asked) this.#sayEmpty(false, error.message);
    }
  }

  /** Mark the open conversation, null for one that has no id yet. */
  mark(id) {
    this.#open = id;
    for (const item of this.#list.querySelectorAll(".conversation")) {
      const link = item.querySelector("a");
      if (item.dataset.id === id) link?.setAttribute("aria-current", "page");
      else link?.removeAttribute("aria-current");
    }
  }

  #searched() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), SEARCH_DELAY_MS);
  }

  #draw(conversations) {
    const actions = {
      open: this.#page.onOpen,
      rename: (item, conversation) => this.#rename(item, conversation),
      save: (conversation, format) => this.#save(conversation, format),
      remove: (conversation) => this.#remove(conversation),
    };
    fill(this.#list, grouped(conversations).map(([heading, some]) => h("section", {},
      h("h2", { text: heading }),
      h("ul", {}, some.map((one) => conversationRow(one, one.id === this.#open, actions))))));
  }

  #sayEmpty(hidden, words) {
    this.#empty.hidden = hidden;
    this.#empty.textContent = words;
  }

  #rename(item, conversation) {
    const field = renameField(conversation.title, async (title) => {
      field.remove();
      if (title && title !== conversation.title) {
        await tried(async () => {
          const changed = await call("PATCH", path(conversation.id), { title });
          this.#page.onRenamed(changed.id, changed.title);
        });
      }
      this.refresh();
    });
    fill(item, field);
    field.select();
    field.focus();
  }

  async #save(conversation, format) {
    const address = `${path(conversation.id)}/export?format=${format}`;
    await tried(() => download(address, `conversation.${format}`));
  }

  async #remove(conversation) {
    const yes = await confirmDialog({
      heading: "Delete this conversation?", yes: "Delete", danger: true,
      text: `“${conversation.title || "Untitled"}” and all its turns will be removed for good.`,
    });
    if (!yes) return;
    await tried(async () => {
      await call("DELETE", path(conversation.id));
      this.#page.onDeleted(conversation.id);
      toast("Deleted");
    });
    this.refresh();
  }
}
