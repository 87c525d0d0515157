// The words of the results page: shares, times, what a session is made of. Pure.
import { thousands } from "./dom.js";
import { interval, percent } from "./practise_charts_svg.js";

const EVERYTHING = { mode: "tutor", systems: [], subjects: [], steps: [], statuses: [], own: "all", topic: "" };
const DECK = 20; // questions of a deck at once

/** "1 answer", "12 answers" */
export const counted = (n, one, several = `${one}s`) => `${thousands(n)} ${n === 1 ? one : several}`;

export const seconds = (value) => (value === null || value === undefined ? "–" : `${Math.round(value)} s`);
export const brier = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

/** What a table says of a share: right, answered, share, interval. */
export const shareCells = (row) => [String(row.correct), String(row.n), percent(row.share), interval(row)];

/** The session that practises one deck, or (without a status) ten questions of everything. */
export function deckSelection(status, n) {
  return { ...EVERYTHING, count: Math.min(n, DECK), statuses: status ? [status] : [] };
}
