// The questions of one session seen so far, each with the learner's work on it. Fetches an item once, so that a neighbour
// fetched early shows at once. Knows nothing of what is open.
import { call } from "./api.js";
import { newWork } from "./practise_work.js";

/** Whether the learner sees the same in both. */
export function sameWork(one, other) {
  const seen = ({ kept, item }) => JSON.stringify([kept, item.flagged, item.note, Boolean(item.attempt), item.editable]);
  return seen(one) === seen(other);
}

export class Items {
  #session;
  #known = new Map();

  /** `session`: its id. */
  constructor(session) {
    this.#session = session;
  }

  /** Promise of the work on the question at `position`; a failed fetch is forgotten, so the next call tries again. */
  get(position) {
    const known = this.#known; // forget() puts another in its place
    if (!known.has(position)) {
      const fetched = this.fetch(position);
      fetched.catch(() => known.delete(position));
      known.set(position, fetched);
    }
    return known.get(position);
  }

  /** Promise of a new work on it, as the server has it now; get() still gives the old one. */
  fetch(position) {
    return call("GET", `/api/practise/sessions/${encodeURIComponent(this.#session)}/items/${position}`).then(newWork);
  }

  replace(position, work) {
    this.#known.set(position, Promise.resolve(work));
  }

  /** Forget all but the question at `kept`. */
  forget(kept = null) {
    const work = this.#known.get(kept);
    this.#known = new Map(work ? [[kept, work]] : []);
  }
}
