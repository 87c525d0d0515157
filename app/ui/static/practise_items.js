// The questions seen so far, each with the learner's work on it. Fetches an item once, so that a neighbour
// fetched early shows at once. Knows nothing of what is open.
import { call } from "./api.js";
import { newWork } from "./practise_work.js";

export class Items {
  #known = new Map();

  /** Promise of the work on question `id`; a failed fetch is forgotten, so the next call tries again. */
  get(id) {
    const known = this.#known; // forget() puts another in its place
    if (!known.has(id)) {
      const fetched = call("GET", `/api/practise/items/${encodeURIComponent(id)}`).then(newWork);
      fetched.catch(() => known.delete(id));
      known.set(id, fetched);
    }
    return known.get(id);
  }

  forget() {
    this.#known = new Map();
  }
}
