// The Models page: which models are at hand, which answers, what each was measured to be worth. models_card draws one at
// hand, models_catalogue one that is not, models_measure the measuring. Draws nothing itself.
import { call } from "./api.js";
import { confirmDialog, toast } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { buildFrame } from "./frame.js";
import { ModelCard } from "./models_card.js";
import { catalogueEntry } from "./models_catalogue.js";
import { MeasurePanel } from "./models_measure.js";

const POLL_MS = { busy: 1000, idle: 5000 };
const AT_HAND = "Each is a file on this machine. One of them answers everybody who uses this page.";
const ELSEWHERE = "Nothing is fetched from here: run the command on this machine, and the model appears above.";

/** What a screen reader shall hear once, and not anew with each second. */
const steady = (sentence) => sentence.replace(/, \d+ s so far/, "");

class ModelsPage {
  #cards = new Map(); // id -> ModelCard
  #timer = 0;
  #asked = 0; // counts what was asked, so that a slow answer never takes the place of a later one
  #was = ""; // which model answered and whether it was measured, when that was last told to the header
  #drawnCatalogue = "";
  #note = h("p", { class: "models-note", hidden: true, data: { testid: "switch-note" } });
  #spoken = h("p", { class: "sr-only", role: "status" });
  #problem = h("div", { class: "notice", role: "alert", hidden: true, data: { testid: "notice" } });
  #why = h("p", { class: "models-why", hidden: true, data: { testid: "not-allowed" } });
  #problems = h("ul", { class: "models-problems", hidden: true });
  #list = h("div", { class: "models" });
  #elsewhere = h("section", { class: "models-elsewhere", "aria-labelledby": "elsewhere", hidden: true });
  #measure = new MeasurePanel({ start: (body) => this.#startMeasuring(body), stop: () => this.#stopMeasuring() });

  constructor(root) {
    document.title = "Models · LlamaCare";
    const { main } = buildFrame(root, { page: "models", title: "Models" });
    main.classList.add("scrolls");
    fill(main, h("div", { class: "models-stage" },
      this.#problem,
      h("section", { "aria-labelledby": "at-hand" },
        h("h2", { id: "at-hand", text: "Models at hand" }), h("p", { class: "models-lead", text: AT_HAND }),
        this.#why, this.#note, this.#spoken, this.#problems, this.#list),
      this.#elsewhere));
  }

  begin() {
    document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(this.#timer) : this.#ask()));
    this.#ask();
    this.#askSets();
  }

  async #ask() {
    clearTimeout(this.#timer);
    const mine = ++this.#asked;
    let wait = POLL_MS.idle;
    try {
      const shelf = await call("GET", "/api/models");
      if (mine !== this.#asked) return;
      this.#show(shelf);
      wait = shelf.switching.active || shelf.measuring.running || shelf.models.some((model) => model.loading)
        ? POLL_MS.busy : POLL_MS.idle;
    } catch (error) {
      if (mine !== this.#asked) return;
      this.#fail(error.message);
    }
    if (!document.hidden) this.#timer = setTimeout(() => this.#ask(), wait);
  }

  async #askSets() {
    try {
      this.#measure.offer((await call("GET", "/api/models/measure")).sets);
    } catch (error) {
      toast(error.message, { error: true });
    }
  }

  async #use(model) {
    const yes = !model.demo || await confirmDialog({
      heading: "Use the demo model?", yes: "Use it",
      text: "It proves that everything works and is no medical model. Open answers are written to their end.",
    });
    if (yes) await this.#act("POST", "/api/models/switch", { id: model.id });
  }

  async #startMeasuring(body) {
    await this.#act("POST", "/api/models/measure", body);
  }

  async #stopMeasuring() {
    await this.#act("DELETE", "/api/models/measure");
  }

  async #act(method, path, body) {
    try {
      await call(method, path, body);
    } catch (error) {
      toast(error.message, { error: true });
    }
    this.#tellHeader();
    await this.#ask();
  }

  // Drawing

  #show(shelf) {
    this.#problem.hidden = true;
    const { switching } = shelf;
    if (this.#note.textContent !== switching.sentence) this.#note.textContent = switching.sentence;
    this.#note.hidden = !switching.sentence;
    this.#note.dataset.state = switching.active ? "loading" : "failed";
    if (this.#spoken.textContent !== steady(switching.sentence)) this.#spoken.textContent = steady(switching.sentence);
    this.#why.textContent = shelf.why_not;
    this.#why.hidden = shelf.allowed;
    this.#problems.hidden = !shelf.problems.length;
    fill(this.#problems, shelf.problems.map((sentence) => h("li", { text: sentence })));
    this.#measure.show(shelf.measuring, { allowed: shelf.allowed });
    this.#showCards(shelf);
    this.#showElsewhere(shelf.catalogue);
    this.#notice(shelf);
  }

  #showCards(shelf) {
    const ids = shelf.models.map((model) => model.id);
    for (const [id, card] of this.#cards) {
      if (ids.includes(id)) continue;
      card.element.remove();
      this.#cards.delete(id);
    }
    shelf.models.forEach((model, place) => {
      if (!this.#cards.has(model.id)) this.#cards.set(model.id, new ModelCard({ use: (one) => this.#use(one) }));
      const card = this.#cards.get(model.id);
      card.show(model, { allowed: shelf.allowed, busy: shelf.switching.active, panel: this.#measure });
      if (this.#list.children[place] !== card.element) this.#list.insertBefore(card.element, this.#list.children[place] ?? null);
    });
  }

  #showElsewhere(entries) {
    const text = JSON.stringify(entries);
    if (text === this.#drawnCatalogue) return;
    this.#drawnCatalogue = text;
    this.#elsewhere.hidden = !entries.length;
    fill(this.#elsewhere, h("h2", { id: "elsewhere", text: "Models that can be fetched" }),
      h("p", { class: "models-lead", text: ELSEWHERE }),
      h("div", { class: "models" }, entries.map(catalogueEntry)));
  }

  /** What the model's line in the header tells may have changed: it shall ask now. */
  #notice(shelf) {
    const current = shelf.models.find((model) => model.current);
    const now = JSON.stringify([current?.id, current?.worth, shelf.measuring.phase]);
    if (this.#was && now !== this.#was) {
      this.#tellHeader();
      if (!shelf.measuring.running) this.#askSets();
    }
    this.#was = now;
  }

  #tellHeader() {
    document.dispatchEvent(new CustomEvent("llamacare-engine"));
  }

  #fail(sentence) {
    this.#problem.hidden = false;
    fill(this.#problem, h("p", { text: sentence }),
      h("button", { type: "button", class: "button small", text: "Try again", on: { click: () => this.#ask() } }));
  }
}

export function start(root) {
  new ModelsPage(root).begin();
}
