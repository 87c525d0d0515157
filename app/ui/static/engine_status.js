// The model's line under the header: loading, ready, restarting, failed. Asks /api/engine gently
// and never in a hidden tab. Knows nothing of conversations or questions.
import { call } from "./api.js";
import { button, fill, h, thousands } from "./dom.js";

const POLL_MS = { loading: 1000, restarting: 1000, failed: 10_000, ready: 10_000, unreachable: 3000 };
const DEMO = "Demo model: it proves the plumbing and is no medical model.";
const FIRST = { state: "loading", sentence: "Loading the model…", model: null };

/** Make the line and start asking. Returns its element. */
export function engineStatus() {
  const line = h("p", { class: "engine-line", data: { testid: "status-line" } });
  const demo = h("p", { class: "engine-demo", text: DEMO, hidden: true, data: { testid: "demo-line" } });
  const spoken = h("p", { class: "sr-only", role: "status" });
  let timer = 0;
  let before = "";

  const show = (engine) => {
    fill(line, h("span", { class: "dot", data: { state: engine.state } }), words(engine));
    line.dataset.state = engine.state;
    demo.hidden = !engine.model?.demo;
    const text = engine.state === "ready" ? `Model ready: ${engine.model?.name ?? ""}` : sentence(engine);
    if (text !== before) spoken.textContent = before = text;
    if (engine.state === "failed") line.append(button("Try again", { kind: "small", testid: "engine-retry", on: retry }));
  };

  const retry = async () => {
    try {
      await call("POST", "/api/engine/retry");
      show(FIRST);
    } catch (error) {
      show({ state: "failed", sentence: error.message, model: null });
    }
    schedule(500);
  };

  const ask = async () => {
    let engine;
    try {
      engine = await call("GET", "/api/engine");
    } catch (error) {
      engine = { state: "unreachable", sentence: error.message, model: null };
    }
    show(engine);
    schedule(POLL_MS[engine.state] ?? 10_000);
  };

  const schedule = (delay) => {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, delay);
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
  show(FIRST);
  ask();
  return h("div", { class: "engine" }, line, demo, spoken);
}

function sentence(engine) {
  if (engine.sentence) return engine.sentence;
  return { loading: "Loading the model…", restarting: "Starting the model again…", failed: "The model did not start." }[engine.state] ?? "";
}

function words(engine) {
  const model = engine.model;
  if (engine.state !== "ready" || !model) return h("span", { class: "engine-words", text: sentence(engine) });
  const facts = [model.parameters, model.size, model.quantisation, model.device, `context ${thousands(model.context)}`];
  return h("span", { class: "engine-words", title: `${model.file} · licence ${model.licence}` },
    h("strong", { text: model.name }),
    facts.filter(Boolean).flatMap((fact) => [" ", h("span", { class: "fact", text: fact })]));
}
