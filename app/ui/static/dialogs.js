// Our own confirm dialog and the short messages at the foot of the page. Knows nothing of what is confirmed.
import { button, h } from "./dom.js";

/** Ask for a yes; resolves to true or false. Escape and "Cancel" say no. */
export function confirmDialog({ heading, text, yes, danger = false }) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "confirm-heading", data: { testid: "confirm-dialog" } });
    const close = (answer) => dialog.close(answer ? "yes" : "no");
    dialog.append(
      h("h2", { id: "confirm-heading", text: heading }),
      h("p", { text }),
      h("div", { class: "dialog-actions" },
        button("Cancel", { testid: "confirm-no", on: () => close(false) }),
        button(yes, { kind: danger ? "danger" : "primary", testid: "confirm-yes", on: () => close(true) })),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.querySelector(".lc").append(dialog);
    dialog.showModal();
  });
}

/** A line that shows for a few seconds, and is read out. */
export function toast(sentence, { error = false } = {}) {
  const area = document.querySelector(".toasts");
  const line = h("p", { class: error ? "toast error" : "toast", text: sentence });
  area.append(line);
  setTimeout(() => line.remove(), error ? 8000 : 3000);
}

/** Copy text; where the clipboard API is absent (plain http on another host) through a hidden field. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = h("textarea", { class: "sr-only" });
    field.value = text;
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    if (!copied) return toast("The browser did not allow copying. Select the text and copy it.", { error: true });
  }
  return toast("Copied");
}
