// After a wrong answer: what kind of miss it was, as the learner sees it. Pressing the same again takes it back.
import { button, h } from "./dom.js";

const KINDS = [
  ["knowledge", "Knowledge", "I did not know the fact or the mechanism"],
  ["misread", "Misread", "I overlooked or misread something in the question"],
  ["reasoning", "Reasoning", "I knew the facts but drew the wrong conclusion"],
  ["time", "Time", "I was in a hurry"],
];

/** Four buttons, keys 1 to 4; `name(kind)` is called with the one pressed. */
export function missButtons({ miss }, name) {
  const one = ([kind, label, means], place) => {
    const control = button(label, {
      kind: "small miss", testid: `miss-${kind}`, title: `${means} (${place + 1})`, "aria-pressed": String(miss === kind),
      on: () => name(kind),
    });
    control.append(h("kbd", { text: place + 1, "aria-hidden": "true" }));
    return control;
  };
  const means = KINDS.find(([kind]) => kind === miss)?.[2] ?? "Naming it helps to choose what comes next";
  return h("section", { class: "misses", role: "group", "aria-label": "Kind of miss" },
    h("h3", { text: "What went wrong?" }),
    h("div", { class: "miss-row" }, KINDS.map(one)),
    h("p", { class: "miss-means", role: "status", text: `${means}.` }));
}
