// An answer as plain text to paste elsewhere: the short answer, what the model wrote with how far it is carried, and the
// sources as a numbered list. Draws nothing.
import { standing } from "./ask_claims.js";
import { groundsOf } from "./ask_grounds.js";
import { factsOf, titleOf } from "./ask_passages.js";
import { shortText } from "./ask_short.js";

function mark(claim) {
  const { support, numbers, passage } = claim;
  const { word } = standing(claim);
  if (support === "unsupported") return passage > 0 && numbers.length === 0 ? `[${word} by ${passage}]` : `[${word}]`;
  const places = `[${numbers.join("][")}]`;
  return support === "weak" ? `${places} (${word})` : places;
}

/** The model's text with a mark after each sentence that was judged; `end` of a claim in code points. */
function judgedText(text, claims) {
  const letters = [...text];
  let at = 0;
  const marked = claims.map((claim) => {
    const sentence = letters.slice(at, claim.end).join("");
    at = claim.end;
    return `${sentence} ${mark(claim)}`;
  });
  return [...marked, letters.slice(at).join("")].join("");
}

const sourceLine = (passage) => `[${passage.number}] ${titleOf(passage)} (${factsOf(passage).join(", ")})`;

/** What "Copy" copies of `message`, an answer. A folded draft is not part of it. */
export function answerText(message) {
  const grounds = groundsOf(message);
  if (!grounds) return message.text;
  const { found, sentence, prose, claims, passages } = grounds;
  return [
    found ? "" : sentence,
    shortText(grounds),
    prose === "open" ? judgedText(message.text, claims) : "",
    found && passages.length > 0 ? ["Sources", ...passages.map(sourceLine)].join("\n") : "",
  ].filter(Boolean).join("\n\n");
}
