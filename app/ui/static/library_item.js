// One file of the queue: its name, how far it is, what became of it, and which of its rows were refused.
import { copyText } from "./dialogs.js";
import { button, fill, h, thousands } from "./dom.js";

const STATES = {
  waiting: "Waiting", sending: "Sending…", reading: "Reading…", added: "Added", failed: "Not added", stopped: "Stopped",
};

/** How far the server is: "1,200 of 16,407 rows". */
function progressWords({ state, share, progress }) {
  if (state === "sending") return `Sending… ${Math.round(share * 100)} %`;
  if (progress) return `${thousands(progress.done)} of ${thousands(progress.total)} ${progress.unit}`;
  return STATES[state];
}

/** What is one word for all that became of a file: nothing may be said to be added where it was there before. */
function endWord({ state, report }) {
  if (state !== "added") return STATES[state];
  if (report.documents) return "Added";
  if (report.updated) return "Updated";
  return report.duplicates ? "Was there already" : "Nothing added";
}

function refusedBlock({ refused, refusals }, name) {
  const lines = refused.map(({ line, reason }) => `${line ? `line ${line}: ` : ""}${reason}`);
  const all = refusals ?? refused.length;
  const more = all > refused.length ? h("p", { text: `The first ${thousands(refused.length)} of ${thousands(all)} are shown.` }) : null;
  return h("details", { class: "fold", data: { testid: "queue-refused" } },
    h("summary", { text: `${thousands(all)} refused: which, and why` }), more,
    h("ul", { class: "queue-refusals" }, lines.map((text) => h("li", { text }))),
    button("Copy the list", {
      icon: "copy", kind: "small", testid: "queue-copy", on: () => copyText([name, ...lines].join("\n")),
    }));
}

export class QueueItem {
  #item;
  #word = h("span", { class: "queue-word" });
  #bar = h("progress", { max: "1", "aria-label": "Progress", hidden: true });
  #below = h("div");
  #drawn = "";
  #again;
  element;

  /** again(): the reader wants this file to be tried once more. */
  constructor(item, { again }) {
    this.#item = item;
    this.#again = again;
    this.#bar.setAttribute("aria-label", `Progress of ${item.name}`);
    this.element = h("li", { class: "queue-item", data: { testid: "queue-item" } },
      h("div", { class: "queue-line" }, h("span", { class: "queue-name", text: item.name }), this.#word), this.#bar, this.#below);
    this.show();
  }

  show() {
    const { state, share, progress } = this.#item;
    const busy = state === "sending" || state === "reading";
    this.element.dataset.state = state;
    this.#word.textContent = busy ? progressWords(this.#item) : endWord(this.#item);
    this.#bar.hidden = !busy;
    if (state === "sending") this.#bar.value = share;
    else if (progress?.total) this.#bar.value = progress.done / progress.total;
    else this.#bar.removeAttribute("value");
    if (this.#drawn === state) return;
    this.#drawn = state;
    fill(this.#below, this.#endBlock());
  }

  #endBlock() {
    const { state, report, sentence, name } = this.#item;
    if (state === "failed") {
      return [h("p", { class: "queue-problem", text: sentence }), button("Try again", {
        icon: "retry", kind: "small", testid: "queue-again", "aria-label": `Try ${name} again`, on: this.#again,
      })];
    }
    if (state !== "added") return [];
    return [h("p", { class: "queue-said", text: sentence }), report.refused.length ? refusedBlock(report, name) : null];
  }
}
