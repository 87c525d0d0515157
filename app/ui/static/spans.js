// A text and places in it, as nodes. Places are counted in Unicode code points, as the server counts them, and not in the
// UTF-16 units of a JavaScript string. Knows nothing of what is marked.
import { h } from "./dom.js";

/** The characters of `text` from `start` to `end`, counted in code points. */
export const stretch = (text, start, end) => [...text].slice(start, end).join("");

/** Places within 0 to `length`, in order, those that touch or overlap made one; empty and senseless ones left out. */
function joined(places, length) {
  const within = places
    .map(([start, end]) => [Math.max(0, start), Math.min(length, end)])
    .filter(([start, end]) => start < end)
    .sort(([one], [other]) => one - other);
  const result = [];
  for (const [start, end] of within) {
    const last = result.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else result.push([start, end]);
  }
  return result;
}

/** Nodes for `letters` from `start` to `end`, with <mark> around what lies in `marks`. */
function withMarks(letters, start, end, marks) {
  const nodes = [];
  let at = start;
  const add = (to, marking) => {
    if (to <= at) return;
    const text = letters.slice(at, to).join("");
    nodes.push(marking ? h("mark", { text }) : document.createTextNode(text));
    at = to;
  };
  for (const [from, to] of marks) {
    if (to <= start || from >= end) continue;
    add(Math.max(from, start), false);
    add(Math.min(to, end), true);
  }
  add(end, false);
  return nodes;
}

/**
 * The text as an array of nodes: each place of `marks` ([start, end] in code points) in <mark>, and the one of `quote`, if
 * there is one, in <em class="quoted">, with its own marks inside. All text goes in as text.
 */
export function marked(text, marks = [], { quote = null } = {}) {
  const letters = [...text];
  const places = joined(marks, letters.length);
  const [set] = joined(quote ? [quote] : [], letters.length);
  if (!set) return withMarks(letters, 0, letters.length, places);
  return [
    ...withMarks(letters, 0, set[0], places),
    h("em", { class: "quoted", data: { testid: "quoted" } }, withMarks(letters, ...set, places)),
    ...withMarks(letters, set[1], letters.length, places),
  ];
}
