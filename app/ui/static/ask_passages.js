// A passage that an answer stands on, as the page names it: its title, its facts, the words around what was found in it, and
// opening it in its document. Places are counted in code points.
import { openPassage } from "./document_viewer.js";

const BEFORE = 48; // characters shown before the first marked word
const LENGTH = 260; // about two lines of a card, and something to cut

export const titleOf = ({ title, section }) => (section ? `${title} › ${section}` : title);

const whose = ({ sample, shared }) => {
  if (sample) return "sample page";
  return shared ? "shared" : "yours";
};

/** ["page 3", "2024", "CC BY 4.0", "shared"] */
export function factsOf(passage) {
  const page = passage.page === null || passage.page === undefined ? "" : `page ${passage.page}`;
  return [page, passage.date, passage.licence, whose(passage)].filter(Boolean);
}

export const numbered = (passages, number) => passages.find((passage) => passage.number === number);

/** The part of a passage's text around its first mark: {text, marks}. */
export function excerpt({ text, marks }) {
  const letters = [...text];
  const first = Math.min(...marks.map(([start]) => start), letters.length);
  const space = first < letters.length && first > BEFORE ? letters.indexOf(" ", first - BEFORE) : -1;
  const from = space >= 0 && space < first ? space + 1 : 0;
  const lead = from > 0 ? "… " : "";
  const shift = [...lead].length - from;
  return {
    text: lead + letters.slice(from, from + LENGTH).join(""),
    marks: marks.map(([start, end]) => [start + shift, end + shift]),
  };
}

/** Open the passage in its document; `quote`, [start, end] in its text, is set off there. */
export function show({ id, document: place, marks, number }, quote = null) {
  const set = quote && quote[1] > quote[0] ? quote : null;
  return openPassage({ passage: id, document: place, marks, quote: set, number });
}
