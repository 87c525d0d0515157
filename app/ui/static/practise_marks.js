// What a learner leaves on a question beside the answer: flag, note, the kind of a miss. Each calls `changed` as it shows.
// Draws nothing and knows nothing of which item is open.
import { call } from "./api.js";
import { toast } from "./dialogs.js";
import { itemPath, questionPath } from "./practise_paths.js";

/** Flag it or take the flag off, at once; put back if the server refuses. `entry` is its line in the session. */
export async function flag(work, entry, changed) {
  const set = (value) => {
    work.item.flagged = entry.flagged = value;
    changed(work);
  };
  const flagged = !work.item.flagged;
  set(flagged);
  try {
    await call("PUT", questionPath(work, "flag"), { flagged });
  } catch (error) {
    set(!flagged);
    toast(error.message, { error: true });
  }
}

/** Name the kind of miss, or take it back with the same `kind` again; put back if the server refuses. */
export async function miss(work, kind, changed) {
  const graded = work.item.attempt;
  if (!graded || graded.correct || !graded.chosen) return;
  const before = graded.miss;
  const set = (value) => {
    graded.miss = value;
    changed(work);
  };
  set(kind === before ? "" : kind);
  try {
    await call("PUT", itemPath(work, "/miss"), { kind: graded.miss });
  } catch (error) {
    set(before);
    toast(error.message, { error: true });
  }
}

/** Keep the learner's note; `noteState` tells: "saving", "saved", or the sentence of a refusal. */
export async function note(work, text, changed) {
  if (text === work.item.note) return;
  const before = work.item.note;
  const set = (state) => {
    work.noteState = state;
    changed(work);
  };
  work.item.note = text;
  set("saving");
  try {
    await call("PUT", questionPath(work, "note"), { text });
    if (work.item.note === text) set("saved");
  } catch (error) {
    if (work.item.note === text) work.item.note = before;
    set(error.message);
  }
}
