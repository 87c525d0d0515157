// How far each sentence that the model wrote is carried by the passages: chips after the sentences, in a sign and a word, and
// the line that says how they were judged. Knows nothing of the rest of an answer.
import { numbered, show, titleOf } from "./ask_passages.js";
import { capital, h } from "./dom.js";

const SUPPORT = {
  supported: { sign: "✓", word: "supported" },
  weak: { sign: "~", word: "weak" },
  unsupported: { sign: "?", word: "no source" },
};
const CONTRADICTED = { sign: "✗", word: "contradicted" };

/** {sign, word}; without support but with a passage, it is the passage that says otherwise. */
export function standing({ support, passage, numbers }) {
  return support === "unsupported" && passage > 0 && numbers.length === 0 ? CONTRADICTED : SUPPORT[support];
}

function chip(claim, number, rest) {
  const { sign, word } = standing(claim);
  const name = [number ? `Source ${number}, ${word}` : capital(word), claim.why].filter(Boolean).join(". ");
  return h("button", {
    type: "button", class: `claim-chip ${claim.support}`, title: claim.why || undefined, "aria-label": name,
    data: { testid: "claim", support: claim.support }, ...rest,
  }, number ? h("span", { class: "claim-number", text: String(number) }) : null,
  h("span", { class: "claim-sign", text: sign }), h("span", { text: word }));
}

/** Opens the passage that carries the sentence best, or contradicts it, with its words set off. */
const sourced = (claim, passage) => chip(claim, passage.number, { on: { click: () => show(passage, claim.quote) } });

/** No passage to open: it says why, beside the sentence. */
function unsourced(claim) {
  const why = h("span", { class: "claim-why", hidden: true, text: claim.why });
  const opener = chip(claim, 0, { "aria-expanded": "false", on: { click: () => {
    why.hidden = !why.hidden;
    opener.setAttribute("aria-expanded", String(!why.hidden));
  } } });
  return [opener, why];
}

function further(passage) {
  const name = `Source ${passage.number} as well: ${titleOf(passage)}`;
  return h("button", {
    type: "button", class: "cite", text: `[${passage.number}]`, title: name, "aria-label": name,
    data: { testid: "cite", number: passage.number }, on: { click: () => show(passage) },
  });
}

function chips(claim, passages) {
  const best = numbered(passages, claim.passage);
  if (!best || standing(claim) === SUPPORT.unsupported) return unsourced(claim);
  const others = claim.numbers.filter((number) => number !== claim.passage).map((number) => numbered(passages, number));
  return [sourced(claim, best), ...others.filter(Boolean).map(further)];
}

/** Put its chips after each sentence of `body`, at the places that the server has left for them. */
export function drawClaims(body, { claims, passages }) {
  for (const place of body.querySelectorAll("span.claim")) {
    const claim = claims[Number(place.dataset.claim)];
    if (claim) place.replaceChildren(...chips(claim, passages));
  }
}

/** What the signs mean, how the sentences were judged, and how many of the model's own citations were taken out. */
export function legend({ claims, judged_by: how, removed }) {
  const key = ({ sign, word }) => h("span", { class: "legend-key" }, h("span", { "aria-hidden": "true", text: `${sign} ` }), word);
  const signs = new Set([...Object.values(SUPPORT), ...claims.map(standing)]);
  const gone = removed === 1 ? "1 citation that the model wrote led nowhere and was removed."
    : `${removed} citations that the model wrote led nowhere and were removed.`;
  if (claims.length === 0 && removed === 0) return null;
  return h("p", { class: "claims-legend", data: { testid: "legend" } },
    claims.length > 0 ? [...[...signs].map(key), h("span", { text: how })] : null,
    removed > 0 ? h("span", { class: "legend-removed", text: gone }) : null);
}
