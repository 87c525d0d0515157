// The text selected in a stem, as offsets, and the small button that comes up beside a selection made by mouse or finger.
// Knows nothing of what is done with it.
import { button, h } from "./dom.js";

const GAP_PX = 6;

/** Characters of `element` before the point (node, offset): none where it lies before it, all where it lies behind. */
function charactersBefore(element, node, offset) {
  const before = document.createRange();
  before.selectNodeContents(element);
  const place = before.comparePoint(node, offset);
  if (place < 0) return 0;
  if (place === 0) before.setEnd(node, offset);
  return before.toString().length;
}

/** [start, end] of a range over the paragraphs {element, start, text} without white space at its ends, or null. */
function offsets(range, paragraphs) {
  const touched = paragraphs.flatMap(({ element, start, text }) => {
    const from = charactersBefore(element, range.startContainer, range.startOffset);
    const chosen = text.slice(from, charactersBefore(element, range.endContainer, range.endOffset));
    const begin = start + from + chosen.length - chosen.trimStart().length;
    return chosen.trim() ? [[begin, begin + chosen.trim().length]] : [];
  });
  return touched.length ? [touched[0][0], touched.at(-1)[1]] : null;
}

export class Marker {
  #paragraphs;
  #held = null;
  element;

  /** `paragraphs()` gives what may be selected now, `press()` is called when the button beside a selection is pressed. */
  constructor(paragraphs, press) {
    this.#paragraphs = paragraphs;
    this.element = button("Highlight", {
      icon: "marker", kind: "small marker", testid: "highlight-here", tabindex: "-1", hidden: true, on: press,
    });
    this.element.addEventListener("pointerdown", () => this.hold());
    this.element.addEventListener("mousedown", (event) => event.preventDefault());
    document.addEventListener("selectionchange", () => this.#follow());
  }

  hold() {
    this.#held = this.#selected();
  }

  /** [start, end] of what is selected, or was when hold() was called, or null; nothing is selected afterwards. */
  take() {
    const selected = this.#selected() ?? this.#held;
    this.#held = null;
    if (selected) document.getSelection().removeAllRanges();
    return selected;
  }

  #selected() {
    const selection = document.getSelection();
    if (selection.isCollapsed || selection.rangeCount === 0) return null;
    return offsets(selection.getRangeAt(0), this.#paragraphs());
  }

  #follow() {
    const { element } = this;
    if (!element.isConnected) return;
    element.hidden = this.#selected() === null;
    if (element.hidden) return;
    const lines = document.getSelection().getRangeAt(0).getClientRects();
    const last = lines[lines.length - 1];
    const frame = element.parentElement.getBoundingClientRect();
    const left = Math.min(last.right - frame.left, frame.width) - element.offsetWidth;
    element.style.top = `${Math.min(last.bottom - frame.top, frame.height) + GAP_PX}px`;
    element.style.left = `${Math.max(0, left)}px`;
  }
}
