// A scrolling column that follows its text as it grows, until the reader scrolls up or it is held at a place; "Jump to
// latest" leads back. Knows nothing of what it holds.
import { button, h } from "./dom.js";

const NEAR_END_PX = 80;
const ABOVE_PX = 120; // of what stands above the place it is held at, so that one sees where one is

export class FollowingScroller {
  #following = true;
  #held = false;
  #lastTop = 0;
  jump = button("Jump to latest", { icon: "down", kind: "jump", testid: "jump", hidden: true, on: () => this.toEnd() });
  element;

  constructor(...children) {
    this.element = h("div", { class: "scroller", tabindex: "-1" }, h("div", { class: "column" }, ...children));
    this.element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  toEnd() {
    this.#following = true;
    this.#held = false;
    this.element.scrollTop = this.element.scrollHeight;
    this.#lastTop = this.element.scrollTop;
    this.jump.hidden = true;
  }

  /** Stay where `place` is near the top, however the text grows below it; not where the reader has scrolled up. */
  holdAt(place) {
    if (!this.#following) return;
    this.#held = true;
    this.#following = false;
    this.element.scrollTop += place.getBoundingClientRect().top - this.element.getBoundingClientRect().top - ABOVE_PX;
    this.#lastTop = this.element.scrollTop;
    this.jump.hidden = this.#atEnd();
  }

  /** Call when the text has grown. */
  grown() {
    // A scroll event comes a frame late: text that grows in between must not pull a reader back who has just moved up.
    if (this.element.scrollTop < this.#lastTop && !this.#atEnd()) this.#following = false;
    if (this.#following) this.toEnd();
    else this.jump.hidden = this.#atEnd();
  }

  #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #scrolled() {
    if (this.#held && Math.abs(this.element.scrollTop - this.#lastTop) < 1) return;
    this.#held = false;
    this.#following = this.#atEnd();
    if (this.#following) this.jump.hidden = true;
  }
}
