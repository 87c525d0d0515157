// The option rows of a question: radio-like before committing; afterwards key, choice, explanation and the model's
// probability in place. Knows nothing of the rest of the card.
import { button, fill, h, icon } from "./dom.js";

const percent = (share) => (share > 0 && share < 0.005 ? "<1 %" : `${Math.round(100 * share)} %`);

/** ["A", "C"] -> "A or C" */
const either = (letters) => (letters.length < 2 ? letters.join("") : `${letters.slice(0, -1).join(", ")} or ${letters.at(-1)}`);

export function createOptions({ choose, strike }) {
  const readout = h("div", { class: "readout", hidden: true, data: { testid: "readout" }, "aria-live": "polite" });
  const rows = h("div", { class: "options", "aria-label": "Options" });
  const element = h("div", { class: "options-block" }, readout, rows);
  const letters = (work) => Object.keys(work.item.options);

  function openRow(work, letter) {
    const chosen = work.chosen === letter;
    const struck = work.struck.has(letter);
    const reachable = chosen || (work.chosen === null && letter === letters(work)[0]);
    return h("div", { class: `option${chosen ? " chosen" : ""}${struck ? " struck" : ""}`, data: { testid: "option", letter } },
      h("button", {
        type: "button", class: "option-choose", role: "radio", "aria-checked": String(chosen), tabindex: reachable ? "0" : "-1", disabled: work.committing, data: { testid: "option-choose", letter },
        "aria-label": `${letter}. ${work.item.options[letter]}${struck ? " (struck out)" : ""}`, on: { click: () => choose(letter) },
      }, h("span", { class: "letter", text: letter }), h("span", { class: "option-text", text: work.item.options[letter] })),
      button(struck ? `Take ${letter} back in` : `Strike ${letter} out`, { icon: "strike", bare: true, kind: "quiet strike", testid: "strike", "aria-pressed": String(struck), disabled: work.committing, on: () => strike(letter) }));
  }

  function mark(graded, letter) {
    if (letter === graded.key) return h("span", { class: "option-mark right" }, icon("check"), h("span", { text: letter === graded.chosen ? "Key, your choice" : "Key" }));
    if (letter === graded.chosen) return h("span", { class: "option-mark wrong" }, icon("cross"), h("span", { text: "Your choice" }));
    return null;
  }

  function bar(work, letter) {
    const share = work.readout?.probabilities[letter];
    if (share === undefined) return null;
    const track = h("div", { class: "probability", data: { testid: "probability", letter, value: share }, role: "img", "aria-label": `Model: ${percent(share)}` },
      h("div", { class: "track" }, h("span")), h("span", { class: "percent", text: percent(share) }));
    track.querySelector(".track span").style.width = `${100 * share}%`;
    return track;
  }

  function gradedRow(work, letter) {
    const graded = work.item.attempt;
    const kind = letter === graded.key ? " is-key" : letter === graded.chosen ? " is-wrong" : "";
    const struck = letter !== graded.key && graded.struck?.includes(letter) ? " struck" : "";
    return h("div", { class: `option graded${kind}${struck}`, data: { testid: "option", letter, key: String(letter === graded.key), chosen: String(letter === graded.chosen) } },
      h("div", { class: "option-head" }, h("span", { class: "letter", text: letter }), h("span", { class: "option-text", text: work.item.options[letter] }), mark(graded, letter)),
      h("div", { class: "option-body" }, bar(work, letter), h("p", { class: "explanation", text: graded.explanations[letter] ?? "" })));
  }

  function drawReadout(work) {
    readout.hidden = !work.item.attempt;
    if (readout.hidden) return;
    const state = work.readout ? "read" : work.reading ? "reading" : "failed";
    readout.dataset.state = state;
    const result = work.readout;
    fill(readout,
      h("p", { class: "readout-name" }, h("strong", { text: `Model's reading (${result?.calibration ?? "uncalibrated"})` }), result ? h("span", { text: result.model }) : null),
      state === "reading" ? h("p", { class: "reading" }, h("span", { class: "pulse", "aria-hidden": "true" }), h("span", { text: "reading…" })) : null,
      state === "failed" ? h("p", { class: "reading", text: work.readFailure || "The model has not read this question." }) : null,
      result ? h("p", { class: "answer-set", data: { testid: "answer-set", sure: String(result.sure) }, text: `${result.sure ? "Its answer" : "Not sure"}: ${either([...result.answer_set].sort())}` }) : null,
      result?.note ? h("p", { class: "readout-note", text: result.note }) : null);
  }

  return {
    element,
    draw(work) {
      const held = rows.contains(document.activeElement) ? document.activeElement.dataset.letter ?? null : null;
      const graded = Boolean(work.item.attempt);
      if (graded) rows.setAttribute("role", "list");
      else rows.setAttribute("role", "radiogroup");
      fill(rows, letters(work).map((letter) => (graded ? gradedRow(work, letter) : openRow(work, letter))));
      if (graded) for (const row of rows.children) row.setAttribute("role", "listitem");
      if (held) rows.querySelector(`.option-choose[data-letter="${held}"]`)?.focus();
      drawReadout(work);
    },
    focus: () => rows.querySelector('.option-choose[tabindex="0"]')?.focus({ preventScroll: true }),
    focusedLetter: () => document.activeElement?.closest?.(".option")?.dataset.letter ?? null,
    /** The letter `by` rows from the chosen one, passing over what was struck out. */
    beside(work, by) {
      const open = letters(work).filter((letter) => !work.struck.has(letter));
      if (work.chosen === null) return by > 0 ? open[0] : open.at(-1);
      return open[(open.indexOf(work.chosen) + by + open.length) % open.length];
    },
  };
}
