// What stands in place of the question while it must not be seen: a paused session, an exam before and between its blocks,
// a failure. Each is an element whose heading takes the focus. Knows nothing of the questions.
import { button, h } from "./dom.js";
import { clockText } from "./practise_clock.js";

const panel = (testid, heading, lines, ...buttons) => h("section", { class: "session-panel", data: { testid } },
  h("h2", { text: heading, tabindex: "-1" }), lines.map((text) => h("p", { text })), h("div", { class: "panel-moves" }, buttons));

const count = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

export function pausePanel(session, { resume }) {
  const left = session.secondsLeft();
  const lines = [
    left === null ? "The question is hidden until you resume." : `The clock stands at ${clockText(1000 * Math.ceil(left))}.`
      + " The question is hidden until you resume.",
    "You can close this page; the session waits for you on the start page.",
  ];
  return panel("pause-panel", "Paused", lines,
    button("Resume", { kind: "primary", testid: "resume", on: resume }));
}

function limit(seconds) {
  const minutes = seconds / 60;
  return Number.isInteger(minutes) ? count(minutes, "minute") : clockText(1000 * seconds);
}

/** Before an exam's next block. */
export function blockPanel({ data }, { start, end }) {
  const next = data.blocks.find((block) => block.number === data.next_block);
  const total = next.last - next.first + 1;
  const before = data.blocks.filter((block) => block.state === "closed").length;
  const lines = [
    before ? "Take the break you need: no clock runs now." : "The clock starts when you do.",
    `Block ${next.number} of ${data.blocks.length}: ${count(total, "question")}, ${limit(next.seconds_total ?? data.pace * total)}. `
      + "It cannot be paused. Afterwards it stays closed: you can neither see nor change its answers until the exam has ended.",
    "Answers can be changed until the block closes. You see no verdicts, hints or explanations before the end.",
  ];
  const heading = before ? `Block ${before} is closed` : `${count(data.blocks.length, "block")}, ${count(data.items.length, "question")}`;
  return panel("block-panel", heading, lines,
    button(`Start block ${next.number}`, { kind: "primary", testid: "block-start", on: start }),
    before ? button("End the exam", { kind: "quiet", testid: "block-end", on: end }) : null);
}

export function problemPanel(sentence, again) {
  return h("div", { class: "notice", role: "alert", data: { testid: "notice" } },
    h("p", { text: sentence }),
    h("button", { type: "button", class: "button small", text: "Try again", on: { click: again } }));
}
