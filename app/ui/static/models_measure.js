// "Measure this model": which labelled set, how, how far it is, and what came out. Asks for nothing itself.
import { button, fill, h, thousands } from "./dom.js";

const LEAD = "The model answers a labelled set, and the shares that it gets right are kept for its file. What was read "
  + "before is not read again, so it can be stopped and goes on later.";
const CAREFUL = "Every order of the options (several times slower, and no letter is favoured)";

function left(seconds) {
  if (seconds === null) return "";
  if (seconds < 60) return ` · about ${Math.max(1, Math.round(seconds))} s left`;
  return ` · about ${Math.round(seconds / 60)} min left`;
}

export class MeasurePanel {
  #begin;
  #chooser = h("select", { id: "measure-set", class: "chooser", data: { testid: "measure-set" } });
  #careful = h("input", { type: "checkbox", id: "measure-careful", data: { testid: "measure-careful" } });
  #start = button("Measure this model", { kind: "primary", testid: "measure-start", on: () => this.#go() });
  #bar = h("span");
  #track = h("div", {
    class: "measure-track", role: "progressbar", "aria-label": "Measured", "aria-valuemin": "0", "aria-valuemax": "100",
  }, this.#bar);
  #words = h("p", { class: "measure-words", data: { testid: "measure-words" } });
  #stop = button("Stop", { icon: "stop", kind: "small", testid: "measure-stop" });
  #form = h("div", { class: "measure-form" },
    h("div", { class: "measure-field" }, h("label", { for: "measure-set", text: "Labelled set" }), this.#chooser),
    h("label", { class: "check", for: "measure-careful" }, this.#careful, h("span", { text: CAREFUL })),
    this.#start);
  #running = h("div", { class: "measure-running", hidden: true }, this.#track,
    h("div", { class: "measure-row" }, this.#words, this.#stop));
  #said = h("p", { class: "measure-said", role: "status", hidden: true, data: { testid: "measure-said" } });
  element = h("section", { class: "measure", "aria-label": "Measure this model", data: { testid: "measure" } },
    h("h4", { text: "Measure this model" }), h("p", { class: "worth-sentence", text: LEAD }),
    this.#form, this.#running, this.#said);

  constructor({ start, stop }) {
    this.#begin = start;
    this.#stop.addEventListener("click", () => stop());
  }

  /** The sets that can be chosen; the choice stays where it still can. */
  offer(sets) {
    const chosen = this.#chooser.value;
    fill(this.#chooser, sets.map(({ name, n }) => h("option", { value: name, text: `${name} (${thousands(n)} questions)` })));
    if (sets.some(({ name }) => name === chosen)) this.#chooser.value = chosen;
    this.#start.disabled = !sets.length;
  }

  show(measuring, { allowed }) {
    const { running, done, total, set, phase, sentence } = measuring;
    const [gone, next] = running ? [this.#form, this.#stop] : [this.#running, this.#start];
    const moves = gone.contains(document.activeElement);
    this.element.hidden = !allowed;
    this.#form.hidden = running;
    this.#running.hidden = !running;
    this.#start.querySelector("span").textContent = phase === "stopped" ? "Go on" : "Measure this model";
    const share = total ? done / total : 0;
    this.#bar.style.width = `${100 * share}%`;
    this.#track.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    this.#words.textContent = `${set}: ${thousands(done)} of ${thousands(total)}${left(measuring.seconds_left)}`;
    if (this.#said.textContent !== sentence) this.#said.textContent = sentence;
    this.#said.hidden = !sentence;
    this.#said.dataset.phase = phase;
    if (moves) next.focus(); // what had the focus is hidden now
  }

  #go() {
    this.#begin({ set: this.#chooser.value, careful: this.#careful.checked });
  }
}
