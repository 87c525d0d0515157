// The Evidence page: a yes-or-no question weighed over a text. evidence_form takes it, evidence_verdict shows how the model reads
// it, evidence_rests what that rests on. Draws nothing itself.
import { ApiError, events } from "./api.js";
import { fill, h, lessMotion } from "./dom.js";
import { EvidenceForm } from "./evidence_form.js";
import { Rests } from "./evidence_rests.js";
import { Verdict } from "./evidence_verdict.js";
import { buildFrame } from "./frame.js";

const LEAD = "Give a question and the text that should answer it: the model reads both and says yes, no or maybe.";
const NOT = "This is no appraisal of a study and no advice. The model sees this text alone, cannot tell whether it is true, sound or "
  + "up to date, and is right only as often as was measured.";
const CUT = "The connection ended before everything was read. Weigh it again.";

/** "#q=…&p=1,2" -> the question and the passages' ids */
function linked(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const ids = (given.get("p") ?? "").split(",").map(Number).filter((id) => Number.isSafeInteger(id) && id > 0);
  return { question: given.get("q") ?? "", ids: [...new Set(ids)] };
}

class EvidencePage {
  #abort = null; // ends the weighing that runs
  #form = new EvidenceForm({ weigh: (body) => this.#weigh(body), stop: () => this.#abort?.abort() });
  #failure = h("div", { role: "alert", data: { testid: "evidence-failure" } });
  #verdict = new Verdict();
  #rests = new Rests();

  constructor(root) {
    document.title = "Evidence · LlamaCare";
    const { main } = buildFrame(root, { page: "evidence", title: "Evidence" });
    main.classList.add("scrolls");
    fill(main, h("div", { class: "evidence-stage" },
      h("h2", { text: "Weigh a question against a text" }), h("p", { class: "models-lead", text: LEAD }),
      h("p", { class: "evidence-not", text: NOT, data: { testid: "evidence-not" } }),
      this.#form.element, this.#failure, this.#verdict.element, this.#rests.element));
  }

  begin() {
    window.addEventListener("hashchange", () => this.#take());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog:modal")) this.#abort?.abort();
    });
    this.#take();
  }

  async #take() {
    const { question, ids } = linked(location.hash);
    if (!question && !ids.length) return;
    const problems = await this.#form.take(question, ids);
    this.#fail(problems.join(" "));
    this.#form.focus();
  }

  async #weigh(body) {
    const abort = this.#abort = new AbortController();
    this.#fail("");
    this.#rests.clear();
    this.#verdict.clear();
    this.#form.running = true;
    let whole = false;
    try {
      for await (const event of events("/api/evidence", body, { signal: abort.signal })) whole = this.#show(event) || whole;
      if (!whole) throw new ApiError(CUT, 0);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#end(abort.signal.aborted ? "" : error.message);
    } finally {
      this.#abort = null;
      this.#form.running = false;
    }
  }

  /** Draws one event; whether it is the last one. */
  #show(event) {
    if (event.type === "reading") this.#verdict.reading();
    else if (event.type === "verdict") {
      this.#verdict.show(event);
      this.#verdict.element.scrollIntoView({ block: "nearest", behavior: lessMotion() ? "auto" : "smooth" });
      this.#rests.begin(event);
    } else if (event.type === "sentence") this.#rests.progress(event.done, event.total);
    else if (event.type === "rests") this.#rests.show(event);
    else if (event.type === "failed") this.#end(event.sentence);
    return event.type === "rests" || event.type === "failed";
  }

  /** It ended before its end: what was read stays, what was not goes. */
  #end(sentence) {
    this.#verdict.settle();
    this.#rests.stopped();
    this.#fail(sentence);
  }

  #fail(sentence) {
    fill(this.#failure, sentence ? h("p", { class: "evidence-failure", text: sentence }) : null);
  }
}

export function start(root) {
  new EvidencePage(root).begin();
}
