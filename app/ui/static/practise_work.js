// What a learner does with one item of a session: state and server calls. Each step says whether it changed anything, or
// calls `changed` when it has. Draws nothing and knows nothing of which item is open.
import { call } from "./api.js";
import { toast } from "./dialogs.js";
import { itemPath } from "./practise_paths.js";

export { flag, miss, note } from "./practise_marks.js";

const quiet = () => {};

/** An item and what is being done with it; `elapsed` in milliseconds of visible time, of which `credited` are kept. */
export function newWork(item) {
  const work = {
    item, chosen: item.chosen ?? null, confidence: item.confidence || "unsure", struck: new Set(item.struck ?? []),
    hints: [...(item.hints ?? [])], elapsed: 1000 * (item.seconds ?? 0), credited: 1000 * (item.seconds ?? 0),
    keeping: Promise.resolve(null), committing: false, hinting: false, failure: "",
    noteState: "", readout: null, reading: false, readFailure: "", rereading: false,
  };
  work.kept = wanted(work);
  return work;
}

export const undecided = (work) => Boolean(work && work.item.editable !== false && !work.item.attempt && !work.committing);

export function choose(work, letter) {
  if (!undecided(work) || !(letter in work.item.options)) return false;
  work.struck.delete(letter);
  work.chosen = letter;
  return true;
}

/** Strike an option out, or take it back in. */
export function strike(work, letter) {
  if (!undecided(work) || !letter) return false;
  if (!work.struck.delete(letter)) {
    work.struck.add(letter);
    if (work.chosen === letter) work.chosen = null;
  }
  return true;
}

export function setConfidence(work, value) {
  if (!undecided(work)) return false;
  work.confidence = value;
  return true;
}

/** What the server should have of the work, each field as text, so that two states compare. */
const wanted = (work) => ({
  chosen: JSON.stringify(work.chosen), confidence: JSON.stringify(work.confidence),
  struck: JSON.stringify([...work.struck].sort()), highlights: JSON.stringify(work.item.highlights ?? []),
});

/** What has changed since the last answer of the server, and the seconds since then; null where there is nothing. */
function unsent(work) {
  const state = wanted(work);
  const open = undecided(work);
  const names = Object.keys(state).filter((name) => state[name] !== work.kept[name] && (open || name === "highlights"));
  const milliseconds = open ? Math.max(0, work.elapsed - work.credited) : 0;
  if (names.length === 0 && milliseconds < 1) return null;
  const body = Object.fromEntries(names.map((name) => [name, JSON.parse(state[name])]));
  return { state, names, elapsed: work.elapsed, body: { ...body, seconds: milliseconds / 1000 } };
}

/**
 * Send what changed and the seconds in view, after whatever is on its way already. Resolves to null, or to the ApiError of a
 * refusal, whose sentence is then the work's `failure`; `changed` is called when a failure came or went.
 */
export function keep(work, changed = quiet) {
  work.keeping = work.keeping.then(() => sendKept(work, changed));
  return work.keeping;
}

async function sendKept(work, changed) {
  const sent = unsent(work);
  if (!sent) return null;
  try {
    const { seconds } = await call("PUT", itemPath(work), sent.body);
    for (const name of sent.names) work.kept[name] = sent.state[name];
    settle(work, sent, 1000 * seconds);
    if (work.failure) {
      work.failure = "";
      changed(work);
    }
    return null;
  } catch (error) {
    work.failure = error.message;
    changed(work);
    return error;
  }
}

/** The server's total stands; what came in view since the call was sent is added to it. */
function settle(work, sent, total) {
  work.elapsed += total - sent.elapsed;
  work.credited = total;
}

/** The same while the page is being left: nobody waits for the answer. */
export function keepOnLeaving(work) {
  const sent = unsent(work);
  if (!sent) return;
  work.credited = sent.elapsed;
  fetch(itemPath(work), {
    method: "PUT", keepalive: true, headers: { "Content-Type": "application/json" }, body: JSON.stringify(sent.body),
  }).catch(quiet);
}

export async function hint(work, changed) {
  if (!undecided(work) || work.hinting || work.hints.length >= work.item.hints_total) return;
  work.hinting = true;
  try {
    const { hints } = await call("POST", itemPath(work, "/hints"), { number: work.hints.length + 1 });
    work.hints = hints;
  } catch (error) {
    toast(error.message, { error: true });
  }
  work.hinting = false;
  changed(work);
}

/** Have the choice graded. Afterwards the work has an `attempt`, or a `failure` to show. */
export async function commit(work, changed) {
  work.committing = true;
  work.failure = "";
  changed(work);
  await work.keeping;
  try {
    work.item.attempt = await call("POST", itemPath(work, "/commit"), {
      chosen: work.chosen, confidence: work.confidence, struck: [...work.struck],
      seconds: Math.max(0, work.elapsed - work.credited) / 1000,
    });
  } catch (error) {
    work.failure = error.message;
  }
  work.committing = false;
}

/** The model's reading of a committed item; each item is asked for once, a failed one again when it is reopened. */
export async function read(work, changed) {
  if (work.readout || work.reading) return;
  work.reading = true;
  work.readFailure = "";
  changed(work);
  try {
    work.readout = await call("GET", itemPath(work, "/probabilities"));
  } catch (error) {
    work.readFailure = error.message;
  }
  work.reading = false;
  changed(work);
}

/** The steadier reading, in every order of the options, in place of the one in a single pass; that stays if this fails. */
export async function readInEveryOrder(work, changed) {
  if (!work.readout || work.rereading) return;
  work.rereading = true;
  work.readFailure = "";
  changed(work);
  try {
    work.readout = await call("GET", itemPath(work, "/probabilities?careful=true"));
  } catch (error) {
    work.readFailure = error.message;
  }
  work.rereading = false;
  changed(work);
}

/** The places highlighted in the stem: [[start, end]] in order. */
export function setHighlights(work, list, changed) {
  work.item.highlights = list;
  changed(work);
  return keep(work, changed);
}
