// One row of the list of conversations: its link, its tools behind "More", its field for a new title.
// Draws what it is given; the actions are the caller's. Knows nothing of the network.
import { addressOf } from "./ask_conversation.js";
import { button, h } from "./dom.js";

const nameOf = (conversation) => conversation.title || "Untitled";

function link(conversation, isOpen, open) {
  const click = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // The browser opens it in a tab or window of its own.
    event.preventDefault();
    open(conversation.id);
  };
  return h("a", {
    class: "conversation-link", href: addressOf(conversation.id), "aria-current": isOpen ? "page" : undefined,
    title: `${conversation.title} · ${new Date(conversation.updated).toLocaleString()}`, on: { click },
  }, h("span", { class: "conversation-title", text: nameOf(conversation) }));
}

/** The button that shows and hides `tools`. */
function moreButton(conversation, tools) {
  return button(`More for “${nameOf(conversation)}”`, {
    icon: "more", bare: true, kind: "quiet", testid: "more", "aria-expanded": "false",
    on: ({ currentTarget }) => {
      tools.hidden = !tools.hidden;
      currentTarget.setAttribute("aria-expanded", String(!tools.hidden));
    },
  });
}

/** `actions`: open(id), rename(item, conversation), save(conversation, format), remove(conversation). */
export function conversationRow(conversation, isOpen, actions) {
  const tools = h("div", { class: "conversation-tools", hidden: true });
  const item = h("li", { class: "conversation", data: { testid: "conversation", id: conversation.id } },
    h("div", { class: "conversation-row" }, link(conversation, isOpen, actions.open), moreButton(conversation, tools)),
    tools);
  const tool = (label, testid, on, { danger = false, title } = {}) =>
    button(label, { kind: danger ? "quiet small danger-text" : "quiet small", testid, title, on });
  tools.append(
    tool("Rename", "rename", () => actions.rename(item, conversation)),
    tool("Markdown", "item-export-md", () => actions.save(conversation, "md"), { title: "Export as Markdown" }),
    tool("JSON", "item-export-json", () => actions.save(conversation, "json"), { title: "Export as JSON" }),
    tool("Delete", "delete", () => actions.remove(conversation), { danger: true }));
  return item;
}

/** A field for a new title. Calls `settle` once: with the title on Enter or on leaving, with null on Escape. */
export function renameField(title, settle) {
  let settled = false;
  const finish = (words) => {
    if (settled) return; // Taking the field out of the page blurs it.
    settled = true;
    settle(words);
  };
  const field = h("input", {
    type: "text", class: "rename-field", "aria-label": "New title", maxlength: "200", data: { testid: "rename-field" },
    on: {
      blur: () => finish(field.value.trim()),
      keydown: (event) => {
        if (event.isComposing || event.keyCode === 229) return;
        if (event.key === "Enter") finish(field.value.trim());
        if (event.key === "Escape") { event.stopPropagation(); finish(null); }
      },
    },
  });
  field.value = title;
  return field;
}
