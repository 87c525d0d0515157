// An image in a stem: fits the column, and opens large in a dialog. Knows nothing of the question.
import { button, h, icon } from "./dom.js";

function enlarge({ src, alt }) {
  const dialog = h("dialog", { class: "dialog figure-dialog", "aria-label": "Enlarged image", data: { testid: "image-dialog" } });
  dialog.append(
    h("div", { class: "figure-scroll", tabindex: "0", role: "region", "aria-label": "Image" }, h("img", { src, alt })),
    h("p", { text: alt }),
    h("div", { class: "dialog-actions" },
      button("Close", { kind: "primary", testid: "image-close", autofocus: true, on: () => dialog.close() })));
  dialog.addEventListener("close", () => dialog.remove());
  document.querySelector(".lc").append(dialog);
  dialog.showModal();
}

/** `image`: {src, alt}. */
export function figure(image) {
  return h("figure", { class: "stem-figure" },
    h("button", {
      type: "button", class: "stem-image", title: "Enlarge", data: { testid: "stem-image" }, on: { click: () => enlarge(image) },
    }, h("img", { src: image.src, alt: image.alt }), h("span", { class: "enlarge" }, icon("search"))));
}
