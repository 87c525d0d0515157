// One answer as an element: what it stands on, what the model wrote, how far that is carried, what can be done with it.
// Knows nothing of the network or of other turns.
import { drawClaims, legend } from "./ask_claims.js";
import { Draft } from "./ask_draft.js";
import { footParts } from "./ask_foot.js";
import { Grounds, groundsOf } from "./ask_grounds.js";
import { patch } from "./ask_markup.js";
import { Reasoning } from "./ask_reasoning.js";
import { fill, h } from "./dom.js";

export const ANSWER_NAME = "Answer";

function progressBar(share) {
  const bar = h("span", { class: "progress-bar", "aria-hidden": "true" }, h("span"));
  bar.firstChild.style.width = `${Math.round(100 * share)}%`;
  return bar;
}

/** What the model wrote, as markup: with `grounds` it stands where they say, or nowhere. */
function written(message, grounds) {
  if (!grounds) return message.html;
  return { open: message.html, folded: grounds.draft_html }[grounds.prose] ?? "";
}

/**
 * An answer, growing (message null) or whole. `handlers`: busy(), retry(message); where answers have grounds also settings,
 * shapes, assume(message, template, values), follow(text), weigh(message, passages), report(message).
 */
export class AnswerTurn {
  #handlers;
  #message = null; // once it has ended
  #grounds;
  #progress = h("p", { class: "progress", data: { testid: "progress" } });
  #name = h("h3", { class: "part-name", hidden: true });
  #reasoning = new Reasoning();
  #body = h("div", { class: "prose", data: { testid: "answer-body" } });
  #legend = h("div", { class: "legend-place" });
  #detail = h("div", { class: "detail" }, this.#name, this.#reasoning.element, this.#body, this.#legend);
  #draft = null; // holds the text while it is folded
  #foot = h("footer", { class: "answer-foot" });
  element;

  constructor(message, handlers) {
    this.#handlers = handlers;
    this.#grounds = new Grounds({
      ...handlers, assume: (template, values) => handlers.assume(this.#message, template, values),
    });
    this.element = h("article", {
      class: "turn answer", tabindex: "-1", "aria-label": ANSWER_NAME, "aria-busy": "true",
      data: { testid: "answer", status: "streaming" },
    }, this.#grounds.head, this.#progress, this.#detail, this.#grounds.tail, this.#foot);
    if (message?.status === "streaming") this.#follow(message);
    else if (message) this.end(message);
  }

  /** It is being written elsewhere. */
  #follow(message) {
    const grounds = groundsOf(message);
    this.say("This answer is still being written…");
    if (grounds) this.sources(grounds);
    this.#fold(grounds?.prose === "folded");
    this.#grow({ html: written(message, grounds), reasoning: message.reasoning });
  }

  /** What is happening while there is no text; `share`, 0 to 1, draws a bar. */
  say(words, share) {
    if (this.element.dataset.status !== "streaming") return;
    this.#progress.hidden = false;
    fill(this.#progress, h("span", { class: "pulse", "aria-hidden": "true" }), h("span", { text: words }),
      share === undefined ? null : progressBar(share));
  }

  /** What it will stand on, before its text. */
  sources(known) {
    const grounds = groundsOf({ grounds: known });
    this.#grounds.show(grounds);
    this.#call(grounds);
  }

  /** What the text is called once there is some: nothing where it stands alone. */
  #call({ found, short }) {
    const detail = short.length > 0 ? "In detail" : "";
    this.#name.textContent = found ? detail : "From the model’s own knowledge, without a source";
  }

  /** The whole of the text so far, and of the `reasoning` before it, which is "" where it has not grown. */
  text(event) {
    this.#write(event, false);
  }

  /** The same, of a text that stands folded. */
  draft(event) {
    this.#write(event, true);
  }

  #write({ html, reasoning }, folded) {
    if (!this.#progress.textContent.startsWith("Stopping")) this.#progress.hidden = true;
    this.element.classList.add("writing");
    this.#fold(folded);
    this.#grow({ html, reasoning: reasoning || this.#reasoning.text });
  }

  #grow({ html, reasoning }) {
    if (html) this.#reasoning.complete(reasoning, true);
    else this.#reasoning.grow(reasoning);
    this.#put(html);
    this.#draft?.say(this.#body.textContent, { growing: true });
  }

  /** Put the text into a folded draft, or take it out again. */
  #fold(folded) {
    if (folded === (this.#draft !== null)) return;
    const parts = [this.#reasoning.element, this.#body, this.#legend];
    if (folded) {
      this.#draft = new Draft(this.#handlers.settings);
      this.#draft.hold(parts);
      fill(this.#detail, this.#draft.element);
    } else {
      this.#draft = null;
      fill(this.#detail, this.#name, parts);
    }
  }

  /** It has ended, in whatever way its status says. */
  end(message) {
    const grounds = groundsOf(message);
    this.#message = message;
    this.#settle(message.status);
    this.element.dataset.id = message.id;
    if (grounds) this.#grounded(message, grounds);
    else this.#complete(message.reasoning, message.html);
    fill(this.#foot, footParts(message, grounds, this.#handlers));
  }

  #grounded(message, grounds) {
    const html = written(message, grounds);
    this.sources(grounds);
    this.#fold(grounds.prose === "folded" && Boolean(html || message.reasoning));
    this.#complete(message.reasoning, html);
    this.#draft?.say(this.#body.textContent, { growing: false, why: grounds.prose_why });
    drawClaims(this.#body, grounds);
    fill(this.#legend, html ? legend(grounds) : null);
  }

  #complete(reasoning, html) {
    this.#reasoning.complete(reasoning, html !== "");
    this.#put(html);
  }

  #put(html) {
    patch(this.#body, html);
    this.#name.hidden = !html || !this.#name.textContent;
  }

  /** The stream ended without a last word. */
  broke(sentence) {
    this.#settle("failed");
    this.#reasoning.complete(this.#reasoning.text, this.#body.hasChildNodes());
    this.#draft?.say(this.#body.textContent, { growing: false });
    fill(this.#foot, h("p", { class: "note failed", text: sentence }));
  }

  #settle(status) {
    this.#progress.hidden = true;
    this.element.classList.remove("writing");
    this.element.dataset.status = status;
    this.element.setAttribute("aria-busy", "false");
  }
}
