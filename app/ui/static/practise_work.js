// What a learner does with one question: state and server calls. Each step says whether it changed anything, or calls
// `changed` when it has. Draws nothing and knows nothing of which question is open.
import { call } from "./api.js";
import { toast } from "./dialogs.js";

const path = (work, rest) => `/api/practise/items/${encodeURIComponent(work.item.id)}/${rest}`;

/** A question and what is being done with it; `elapsed` in milliseconds of visible time. */
export function newWork(item) {
  return {
    item, chosen: null, confidence: "unsure", struck: new Set(), hints: [], elapsed: 0,
    committing: false, hinting: false, failure: "", readout: null, reading: false, readFailure: "", rereading: false,
  };
}

export const undecided = (work) => Boolean(work && !work.item.attempt && !work.committing);

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

export async function hint(work, changed) {
  if (!undecided(work) || work.hinting || work.hints.length >= work.item.hints_total) return;
  work.hinting = true;
  try {
    const { hint: text } = await call("GET", path(work, `hints/${work.hints.length + 1}`));
    work.hints.push(text);
  } catch (error) {
    toast(error.message, { error: true });
  }
  work.hinting = false;
  changed(work);
}

/** Have the choice graded. Afterwards the work has an `attempt`, or a `failure` to show. */
export async function commit(work, round, changed) {
  work.committing = true;
  work.failure = "";
  changed(work);
  try {
    work.item.attempt = await call("POST", path(work, "attempt"), {
      round, chosen: work.chosen, confidence: work.confidence, seconds: work.elapsed / 1000,
      struck: [...work.struck], hints: work.hints.length,
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
    work.readout = await call("GET", path(work, "probabilities"));
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
    work.readout = await call("GET", path(work, "probabilities?careful=true"));
  } catch (error) {
    work.readFailure = error.message;
  }
  work.rereading = false;
  changed(work);
}

/** Flag it or take the flag off, at once; put back if the server refuses. `entry` is its line in the round. */
export async function flag(work, entry, changed) {
  const set = (value) => {
    work.item.flagged = entry.flagged = value;
    changed(work);
  };
  const flagged = !work.item.flagged;
  set(flagged);
  try {
    await call("PUT", path(work, "flag"), { flagged });
  } catch (error) {
    set(!flagged);
    toast(error.message, { error: true });
  }
}
