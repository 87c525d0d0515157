// Where the focus was before the reader went elsewhere, and the way back to it. Knows nothing of what was opened.

export class WayBack {
  #from = null;

  /** Keep where the focus is now, unless it is within `inside` already. */
  keep(inside) {
    const { activeElement } = document;
    if (!inside.contains(activeElement)) this.#from = activeElement;
  }

  /** Go back there: to the element itself, to the one drawn in its place, or to the one whose test id is `otherwise`. */
  go(otherwise) {
    const from = this.#from && this.#from !== document.body ? this.#from : null;
    const named = (testid) => (testid ? document.querySelector(`[data-testid="${testid}"]`) : null);
    const target = from?.isConnected ? from : named(from?.dataset.testid) ?? named(otherwise);
    target?.focus({ preventScroll: true });
  }
}
