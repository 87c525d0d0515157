// One session as the server last told it, and the calls that move it on. Draws nothing and holds no question's text.
import { call } from "./api.js";

const path = (id, rest = "") => `/api/practise/sessions/${encodeURIComponent(id)}${rest}`;

/** Have a session made of `selection`. Throws ApiError. */
export async function createSession(selection) {
  return new Session(await call("POST", "/api/practise/sessions", selection));
}

/** Throws ApiError; 404 when it is nobody's or another visitor's. */
export async function fetchSession(id) {
  return new Session(await call("GET", path(id)));
}

export class Session {
  /** What the server said, as it said it. */
  data;
  #heard = 0; // when it said so
  #asked = 0; // counts the calls, so that a slow answer never replaces a later one
  #taken = 0;

  constructor(data) {
    this.#take(data);
  }

  #take(data) {
    this.data = data;
    this.#heard = performance.now();
  }

  async #move(method, rest) {
    const mine = ++this.#asked;
    const data = await call(method, path(this.data.id, rest));
    if (mine < this.#taken) return;
    this.#taken = mine;
    this.#take(data);
  }

  // Each asks the server and takes what it says. Throws ApiError.

  refresh = () => this.#move("GET", "");
  pause = () => this.#move("POST", "/pause");
  resume = () => this.#move("POST", "/resume");
  end = () => this.#move("POST", "/end");
  startBlock = (number) => this.#move("POST", `/blocks/${number}/start`);
  closeBlock = (number) => this.#move("POST", `/blocks/${number}/close`);

  /** The running or paused block, or null. */
  get block() {
    return this.data.blocks.find((block) => block.number === this.data.block) ?? null;
  }

  /** Of the running or paused block, now; null without a limit. */
  secondsLeft() {
    const { block } = this;
    if (block?.seconds_left == null) return null;
    const passed = block.state === "running" ? (performance.now() - this.#heard) / 1000 : 0;
    return Math.max(0, block.seconds_left - passed);
  }

  /** Whether its questions may be seen now. */
  get inView() {
    return this.data.state === "open" || this.data.state === "ended";
  }

  entry(position) {
    return this.data.items[position - 1];
  }

  /** The position `by` reachable questions further, or undefined. */
  beside(position, by) {
    const reachable = this.data.items.filter((item) => item.reachable).map((item) => item.position);
    return reachable[reachable.indexOf(position) + by];
  }

  /** The positions without an answer, of the running block or of the whole session. */
  unanswered(block = null) {
    const open = this.data.items.filter((item) => item.state === "open" && (block === null || item.block === block.number));
    return open.map((item) => item.position);
  }

  /** Items done and items due by the clock in the running block: {done, due, total}; null without a limit. */
  pace() {
    const { block } = this;
    if (block?.seconds_total == null) return null;
    const total = block.last - block.first + 1;
    const due = Math.min(total, Math.floor((block.seconds_total - this.secondsLeft()) / this.data.pace));
    return { done: total - this.unanswered(block).length, due, total };
  }
}
