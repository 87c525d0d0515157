// The engine in sight: a dialog with its model, its slots and cells as boxes and bars, and its figures. Draws what it is
// given, in place, so that a reader is not moved every second; asks for nothing itself.
import { button, fill, h, thousands } from "./dom.js";

const NO_FIGURE = "–";
const WAITING = "The figures come with the first request.";

const plural = (number, noun) => `${thousands(number)} ${noun}${number === 1 ? "" : "s"}`;
const rate = (value) => (value === null ? NO_FIGURE : value < 100 ? value.toFixed(1) : thousands(value));

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Names and values; `labels`: {key: label}. */
class Facts {
  #values = new Map();
  element;

  constructor(labels, kind) {
    const pair = ([key, label]) => {
      const value = h("dd", { text: NO_FIGURE, data: { testid: `engine-${key}` } });
      this.#values.set(key, value);
      return h("div", {}, h("dt", { text: label }), value);
    };
    this.element = h("dl", { class: kind }, Object.entries(labels).map(pair));
  }

  show(texts) {
    for (const [key, value] of this.#values) say(value, texts[key] || NO_FIGURE);
  }
}

/** A line of its own: what it is, a picture, and the same in words. The picture says nothing to a screen reader. */
class Gauge {
  picture;
  #words;
  element;

  constructor(label, name, picture) {
    this.picture = picture;
    picture.setAttribute("aria-hidden", "true");
    this.#words = h("p", { class: "gauge-words", data: { testid: `engine-${name}` } });
    this.element = h("div", { class: "gauge" }, h("h3", { text: label }), picture, this.#words);
  }

  /** `parts`: texts, or [kind, text] for a part with a colour in the picture. */
  say(parts) {
    const texts = parts.map((part) => (Array.isArray(part) ? part[1] : part));
    if (this.#words.textContent === texts.join("")) return;
    fill(this.#words, parts.map((part) => (Array.isArray(part)
      ? h("span", { class: "key" }, h("span", { class: `swatch ${part[0]}` }), h("span", { text: part[1] }))
      : h("span", { text: part }))));
  }
}

const WAITING_SHOWN = 12;

/** One box for each place in a batch, filled while a request has it; behind them a small one for each that waits. */
class Slots {
  #places = h("div", { class: "places" });
  #waiting = h("div", { class: "waiting" });
  #gauge = new Gauge("Requests at once", "slots", h("div", { class: "slots" }, this.#places, this.#waiting));
  element = this.#gauge.element;

  show({ active, slots, queued }) {
    fit(this.#places, slots);
    fit(this.#waiting, Math.min(queued, WAITING_SHOWN));
    [...this.#places.children].forEach((box, place) => { box.dataset.busy = String(place < active); });
    this.#gauge.say([["active", `${active} of ${slots} at work`], queued ? ["waits", `${queued} waiting`] : "nobody waits"]);
  }
}

function fit(row, count) {
  while (row.childElementCount > count) row.lastChild.remove();
  while (row.childElementCount < count) row.append(h("span"));
}

/** A bar of several parts, one after the other. */
class Stack {
  #gauge;
  #parts;
  element;

  constructor(label, name, kinds) {
    this.#parts = kinds.map((kind) => h("span", { class: kind }));
    this.#gauge = new Gauge(label, name, h("div", { class: "stack" }, this.#parts));
    this.element = this.#gauge.element;
  }

  /** `shares` of 1, one a kind; `words` as in Gauge. */
  show(shares, words) {
    this.#parts.forEach((part, place) => { part.style.width = `${100 * shares[place]}%`; });
    this.#gauge.say(words);
  }
}

function showCells(stack, { cells, cells_active: active, cells_kept: kept }) {
  const free = Math.max(0, cells - active - kept);
  stack.show([active / cells, kept / cells].map((share) => (cells ? share : 0)), [
    ["active", `${thousands(active)} in use`], ["kept", `${thousands(kept)} kept for reuse`],
    ["free", `${thousands(free)} free, of ${thousands(cells)} tokens`],
  ]);
}

function showReuse(stack, { prompt_tokens: asked, reused_tokens: reused }) {
  const share = asked ? reused / asked : 0;
  stack.show([share], [asked
    ? `${Math.round(100 * share)} %: ${thousands(reused)} of ${plural(asked, "token")} were there already`
    : "nothing asked yet"]);
}

export class EnginePanel {
  #changed;
  #name = h("p", { class: "panel-name", data: { testid: "engine-name" } });
  #state = h("p", { class: "panel-state" });
  #notice = h("p", { class: "panel-notice", hidden: true });
  #model = new Facts({ file: "File", device: "Device", size: "Size", licence: "Licence" }, "facts");
  #rates = new Facts({ prompt: "tokens/s reading prompts", decode: "tokens/s writing answers" }, "tiles rates");
  #slots = new Slots();
  #cells = new Stack("Memory for conversations", "cells", ["active", "kept"]);
  #reuse = new Stack("Prompts that were not read again", "reuse", ["active"]);
  #counts = new Facts({ requests: "requests", cancelled: "cancelled", answered: "answer tokens", restarts: "restarts" }, "tiles");
  #machine = new Facts({ threads: "Threads", memory: "Memory" }, "facts");
  #figures = h("div", { class: "panel-figures" },
    this.#slots.element, this.#cells.element, this.#reuse.element, this.#rates.element, this.#counts.element,
    this.#machine.element);
  #waiting = h("p", { class: "panel-waiting", text: WAITING });
  element = h("dialog", {
    class: "dialog engine-panel", "aria-labelledby": "engine-heading", data: { testid: "engine-panel" },
    on: { close: () => this.#changed(), click: (event) => { if (event.target === this.element) this.element.close(); } },
  },
  h("div", { class: "panel-inside" },
    h("div", { class: "panel-head" },
      h("h2", { id: "engine-heading", text: "Engine" }),
      button("Close", { icon: "close", bare: true, testid: "engine-close", autofocus: true, on: () => this.element.close() })),
    this.#name, this.#state, this.#notice, this.#model.element, this.#figures, this.#waiting));

  /** `changed` is called when it is opened or closed. */
  constructor(changed) {
    this.#changed = changed;
  }

  get isOpen() {
    return this.element.open;
  }

  /** The browser gives the focus back to what opened it. */
  open() {
    if (!this.element.isConnected) document.querySelector(".lc").append(this.element);
    if (!this.element.open) this.element.showModal();
    this.#changed();
  }

  /** `engine` as /api/engine tells it, `sentence` its state in words. */
  show(engine, sentence) {
    const { model, sight } = engine;
    say(this.#name, model?.name ?? "");
    say(this.#state, sentence);
    this.#state.hidden = !sentence;
    say(this.#notice, model?.notice ?? "");
    this.#notice.hidden = !model?.notice;
    this.#model.element.hidden = !model;
    if (model) {
      const size = [model.parameters && `${model.parameters} parameters`, model.size, model.quantisation];
      this.#model.show({ ...model, size: size.filter(Boolean).join(" · ") });
    }
    this.#figures.hidden = !sight;
    this.#waiting.hidden = Boolean(sight) || engine.state !== "ready";
    if (sight) this.#showSight(sight, engine.restarts);
  }

  #showSight(sight, restarts) {
    this.#slots.show(sight);
    showCells(this.#cells, sight);
    showReuse(this.#reuse, sight);
    this.#rates.show({ prompt: rate(sight.prompt_rate), decode: rate(sight.decode_rate) });
    this.#counts.show({
      requests: thousands(sight.requests), cancelled: thousands(sight.cancelled),
      answered: thousands(sight.answer_tokens), restarts: thousands(restarts),
    });
    this.#machine.show({
      threads: `${sight.threads_decode} to write, ${sight.threads_prefill} to read`,
      memory: `${sight.memory_text}, of which ${sight.kv_text} for conversations`,
    });
  }
}
