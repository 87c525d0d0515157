// The model's line under the header: loading, ready, restarting, failed. Asks /api/engine gently
// and never in a hidden tab. Knows nothing of conversations or questions.
import { call } from "./api.js";
import { button, fill, h, thousands } from "./dom.js";
import { EnginePanel } from "./engine_panel.js";

const POLL_MS = { loading: 1000, restarting: 1000, failed: 10_000, ready: 10_000, unreachable: 3000 };
const AFTER_RETRY_MS = 500;
const PANEL_MS = 1000; // while the panel is open
const DEMO = "Demo model: it proves the plumbing and is no medical model.";
const FIRST = { state: "loading", sentence: "Loading the model…", model: null };
const SENTENCES = {
  loading: "Loading the model…", restarting: "Starting the model again…", failed: "The model did not start.",
};

const sentence = (engine) => engine.sentence || (SENTENCES[engine.state] ?? "");

function words(engine, worth) {
  const model = engine.model;
  if (engine.state !== "ready" || !model) return h("span", { class: "engine-words", text: sentence(engine) });
  const facts = [model.parameters, model.size, model.quantisation, model.device, `context ${thousands(model.context)}`];
  return h("span", { class: "engine-words", title: `${model.file} · licence ${model.licence}` },
    h("a", { class: "fact", href: "/models", data: { testid: "engine-model" } }, h("strong", { text: model.name })),
    facts.filter(Boolean).flatMap((fact) => [" ", h("span", { class: "fact", text: fact })]),
    worth ? [" ", h("a", { class: "fact engine-worth", href: "/models", text: worth, data: { testid: "engine-worth" } })] : []);
}

/** What a screen reader shall hear once, and not anew with each second. */
const steady = (text) => text.replace(/, \d+ s so far/, "");

/** The line. Asks from `begin` on, for as long as the page lives. */
export class EngineStatus {
  #line = h("p", { class: "engine-line", data: { testid: "status-line" } });
  #demo = h("p", { class: "engine-demo", text: DEMO, hidden: true, data: { testid: "demo-line" } });
  #notice = h("p", { class: "engine-notice", hidden: true, data: { testid: "engine-notice" } });
  #switch = h("p", { class: "engine-switch", hidden: true, data: { testid: "engine-switch" } });
  #spoken = h("p", { class: "sr-only", role: "status" });
  #panel = new EnginePanel(() => this.#ask());
  #opener = button("Engine", {
    icon: "chart", kind: "quiet small engine-open", testid: "engine-open", "aria-haspopup": "dialog",
    title: "What the engine is doing", on: () => this.#panel.open(),
  });
  element = h("div", { class: "engine" },
    h("div", { class: "engine-row" }, this.#line, this.#opener), this.#demo, this.#notice, this.#switch, this.#spoken);
  #timer = 0;
  #asked = 0; // counts what was asked, so that a slow answer never takes the place of a later one
  #worth = ""; // how good the model was measured to be
  #judged = ""; // of which file that is
  #drawn = "";

  /** A page that changes or measures the model says so by the event "llamacare-engine". */
  begin() {
    document.addEventListener("llamacare-engine", () => { this.#judged = ""; this.#ask(); });
    document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(this.#timer) : this.#ask()));
    this.#show(FIRST);
    this.#ask();
  }

  async #ask() {
    clearTimeout(this.#timer);
    const mine = ++this.#asked;
    let engine;
    try {
      engine = await call("GET", "/api/engine");
    } catch (error) {
      engine = { state: "unreachable", sentence: error.message, model: null };
    }
    if (mine !== this.#asked) return;
    this.#show(engine);
    const pace = engine.state === "ready" && engine.sentence ? "loading" : engine.state;
    this.#schedule(this.#panel.isOpen ? PANEL_MS : POLL_MS[pace] ?? POLL_MS.ready);
    if (engine.state === "ready" && engine.model.file !== this.#judged) this.#judge(engine);
  }

  async #judge(engine) {
    const mine = this.#asked;
    this.#judged = engine.model.file;
    try {
      this.#worth = (await call("GET", "/api/models/worth")).sentence;
    } catch {
      this.#worth = ""; // the line says the rest
    }
    if (mine === this.#asked) this.#show(engine);
  }

  async #retry() {
    try {
      await call("POST", "/api/engine/retry");
      this.#show(FIRST);
    } catch (error) {
      this.#show({ state: "failed", sentence: error.message, model: null });
    }
    this.#schedule(AFTER_RETRY_MS);
  }

  #schedule(delay) {
    clearTimeout(this.#timer);
    if (!document.hidden) this.#timer = setTimeout(() => this.#ask(), delay);
  }

  #show(engine) {
    this.#drawLine(engine);
    this.#demo.hidden = !engine.model?.demo;
    this.#notice.textContent = engine.model?.notice ?? "";
    this.#notice.hidden = !engine.model?.notice;
    this.#switch.textContent = engine.state === "ready" ? engine.sentence : "";
    this.#switch.hidden = !this.#switch.textContent;
    this.#panel.show(engine, engine.state === "ready" ? "" : sentence(engine));
    const text = engine.state === "ready" ? `Model ready: ${engine.model?.name ?? ""}` : steady(sentence(engine));
    if (text !== this.#spoken.textContent) this.#spoken.textContent = text; // A screen reader hears it once.
  }

  /** Only where something changed, and a link that has the focus keeps it. */
  #drawLine(engine) {
    const told = engine.state === "ready" ? "" : sentence(engine);
    const text = JSON.stringify([engine.state, told, engine.model, this.#worth]);
    if (text === this.#drawn) return;
    this.#drawn = text;
    const held = this.#line.contains(document.activeElement) ? document.activeElement.dataset.testid : null;
    this.#line.dataset.state = engine.state;
    fill(this.#line, h("span", { class: "dot", data: { state: engine.state } }), words(engine, this.#worth),
      engine.state === "failed" ? this.#retryButton() : null);
    if (held) this.#line.querySelector(`[data-testid="${held}"]`)?.focus();
  }

  #retryButton() {
    return button("Try again", { kind: "small", testid: "engine-retry", on: () => this.#retry() });
  }
}
