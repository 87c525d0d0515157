// Sends one file to the library and tells how far it is: sent, then the events that the server writes while it reads.
// Knows nothing of queues or elements.
import { ApiError } from "./api.js";

const BROKEN = "The connection broke while this file was being added. What was done so far is kept: if LlamaCare was stopped, "
  + "start it again; then try this file again.";

/** The sentence of a refusal, from whatever came with it. */
function refusal(request) {
  try {
    const { error } = JSON.parse(request.responseText);
    if (typeof error === "string" && error) return error;
  } catch {
    // Not JSON: a proxy's page, say.
  }
  if (request.status === 413) return "This file is larger than what may be sent at once. Split it, then add the parts.";
  return `The server refused this file (${request.status}). Reload the page and try again.`;
}

/** Calls `tell` for each event of a growing text; give it the whole text each time. */
function eventReader(tell) {
  let read = 0;
  return (text) => {
    for (let end = text.indexOf("\n\n", read); end >= 0; end = text.indexOf("\n\n", read)) {
      const block = text.slice(read, end);
      read = end + 2;
      if (block.startsWith("data:")) tell(JSON.parse(block.slice(5)));
    }
  };
}

/**
 * POST `file` under `name`. `sent(share)` is called with 0 to 1, `told(event)` with each event. Resolves to the last event
 * ("added" or "failed"), to null where `signal` ended it; throws ApiError.
 */
export function sendFile(file, name, { query, signal, sent, told }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let last = null;
    const read = eventReader((event) => { last = event; told(event); });
    request.open("POST", `/api/library/add?${new URLSearchParams(query)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-File-Name", encodeURIComponent(name));
    request.upload.addEventListener("progress", (event) => sent(event.total ? event.loaded / event.total : 1));
    request.addEventListener("progress", () => { if (request.status === 200) read(request.responseText); });
    request.addEventListener("load", () => {
      if (request.status !== 200) return reject(new ApiError(refusal(request), request.status));
      read(request.responseText);
      return last?.type === "added" || last?.type === "failed" ? resolve(last) : reject(new ApiError(BROKEN, 0));
    });
    request.addEventListener("error", () => reject(new ApiError(BROKEN, 0)));
    request.addEventListener("abort", () => resolve(null));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
