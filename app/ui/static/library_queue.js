// Files on their way into the library, one after the other. One that fails stops no other. Stopping keeps what is in, and
// going on begins with the file that was stopped: what is there of it already is not added twice. Draws nothing.
import { sendFile } from "./library_sending.js";

export const MOST_BYTES = 64 * 2 ** 20;
const TOO_LARGE = "This file is larger than 64 MB. Split it, then add the parts; or add it by command on this machine: "
  + "python -m app.library add FILE.";

export class Queue {
  #page;
  #controller = null;
  items = []; // {file, name, query, state: waiting|sending|reading|added|failed|stopped, share, progress, report, sentence}
  paused = false;

  /** page.changed(item) is called whenever an item has; page.ended(item) when one was added or failed. */
  constructor(page) {
    this.#page = page;
  }

  get running() {
    return this.#controller !== null;
  }

  get left() {
    return this.items.filter(({ state }) => state === "waiting" || state === "stopped").length;
  }

  /** Add files, each with what is said of it, and begin unless the reader stopped the queue. */
  add(files, query) {
    this.paused &&= this.left > 0;
    for (const { file, name } of files) this.items.push({ file, name, query, state: "waiting", share: 0, progress: null });
    this.#page.changed(null);
    this.#run();
  }

  stop() {
    this.paused = true;
    this.#controller?.abort();
    this.#page.changed(null);
  }

  goOn() {
    this.paused = false;
    this.#page.changed(null);
    this.#run();
  }

  again(item) {
    Object.assign(item, { state: "waiting", share: 0, progress: null, report: null, sentence: "" });
    this.goOn();
  }

  /** Forget what has come to its end. */
  clear() {
    this.items = this.items.filter(({ state }) => state !== "added" && state !== "failed");
    this.#page.changed(null);
  }

  async #run() {
    if (this.running) return;
    for (let item = this.#next(); item && !this.paused; item = this.#next()) {
      this.#controller = new AbortController();
      await this.#send(item);
      this.#controller = null;
      this.#page.ended(item);
    }
    this.#page.changed(null);
  }

  #next() {
    return this.items.find(({ state }) => state === "stopped") ?? this.items.find(({ state }) => state === "waiting");
  }

  async #send(item) {
    if (item.file.size > MOST_BYTES) return this.#set(item, { state: "failed", sentence: TOO_LARGE });
    this.#set(item, { state: "sending", share: 0, progress: null, sentence: "" });
    try {
      const last = await sendFile(item.file, item.name, {
        query: item.query, signal: this.#controller.signal,
        sent: (share) => this.#set(item, share < 1 ? { share } : { share, state: "reading" }),
        told: (event) => this.#told(item, event),
      });
      if (last === null) return this.#set(item, { state: "stopped" });
      if (last.type === "failed") return this.#set(item, { state: "failed", sentence: last.sentence });
      return this.#set(item, { state: "added", report: last, sentence: last.sentence });
    } catch (error) {
      return this.#set(item, { state: "failed", sentence: error.message });
    }
  }

  #told(item, event) {
    if (event.type === "reading") this.#set(item, { state: "reading" });
    if (event.type === "progress") this.#set(item, { state: "reading", progress: event });
  }

  #set(item, change) {
    Object.assign(item, change);
    this.#page.changed(item);
  }
}
