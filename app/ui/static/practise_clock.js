// The time spent on one question. Time in a hidden tab does not count. Drawn here and not by the server,
// because the server is asked nothing while a learner thinks. Knows nothing of the question but `elapsed`.

const STEP_MS = 250;

const two = (number) => String(number).padStart(2, "0");

/** 75000 -> "1:15", 3675000 -> "1:01:15" */
export function clockText(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

export class Clock {
  #work = null;
  #face = null;
  #since = 0;
  #timer = 0;

  constructor() {
    document.addEventListener("visibilitychange", () => this.#turned());
  }

  /** Count on `work.elapsed` and show it in the element `face`, while the answer may still change. */
  run(work, face) {
    this.pause();
    if (work.item.attempt || !work.item.editable) return;
    this.#work = work;
    this.#face = face;
    this.#since = performance.now();
    this.#count();
    this.#timer = setInterval(() => this.#count(), STEP_MS);
  }

  /** Count what has passed until now. */
  catchUp() {
    if (this.#work) this.#count();
  }

  pause() {
    if (this.#timer && !document.hidden) this.#count();
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#work = null;
  }

  #count() {
    if (!this.#work) return;
    this.#add(!document.hidden);
    this.#face.textContent = clockText(this.#work.elapsed);
  }

  /** The tab was hidden: what was seen until now counts; or shown again: what was hidden does not. */
  #turned() {
    if (this.#work) this.#add(document.hidden);
  }

  #add(seen) {
    const now = performance.now();
    if (seen) this.#work.elapsed += now - this.#since;
    this.#since = now;
  }
}
