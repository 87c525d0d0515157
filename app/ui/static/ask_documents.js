// Documents that another page wants asked, in the address of the Ask page. What stands after # never leaves the browser.

const MOST_LETTERS = 40; // of a title

/** A title as it is called in a sentence. */
export const called = (title) => `“${title.length > MOST_LETTERS ? `${title.slice(0, MOST_LETTERS - 1).trimEnd()}…` : title}”`;

/** The Ask page for the documents with these ids alone, which the page then calls `label`. */
export const askAddress = (ids, label) => `/#${new URLSearchParams({ documents: ids.join(","), called: label })}`;

/** The same out of the address: {ids, label}, null where there are none. */
export function takeDocuments() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const ids = (asked.get("documents") ?? "").split(",").filter(Boolean);
  if (!ids.length) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return { ids, label: asked.get("called") || "chosen documents" };
}
