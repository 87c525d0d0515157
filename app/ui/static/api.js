// Talks to our own routes: JSON calls, event streams, downloads. Every failure leaves here as an
// ApiError whose message is a sentence for the reader. Knows nothing of pages or elements.

/** A refusal by the server (status >= 400) or a connection that broke (status 0). */
export class ApiError extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

const UNREACHABLE = "LlamaCare does not answer. If it was stopped, start it again; then retry.";

async function send(method, path, body, signal) {
  try {
    return await fetch(path, {
      method,
      signal,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(UNREACHABLE, 0);
  }
}

async function refusal(response) {
  let sentence = `The server refused this (${response.status}). Reload the page and retry.`;
  try {
    const body = await response.json();
    if (typeof body.error === "string" && body.error) sentence = body.error;
  } catch {
    // Not JSON: a proxy's page, say. The general sentence stands.
  }
  return new ApiError(sentence, response.status);
}

/** One JSON call; null for an empty answer (204). */
export async function call(method, path, body) {
  const response = await send(method, path, body);
  if (!response.ok) throw await refusal(response);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    throw new ApiError("The answer of the server could not be read. Reload the page and retry.", response.status);
  }
}

/**
 * POST and yield the events of a text/event-stream, one object each. Throws ApiError when refused and
 * when the connection breaks; a stream that just ends makes the loop end (the caller knows its last event). An aborted `signal`
 * breaks the connection.
 */
export async function* events(path, body, { signal } = {}) {
  const response = await send("POST", path, body, signal);
  if (!response.ok) throw await refusal(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) {
        const data = block.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
        if (data.trim()) yield JSON.parse(data);
      }
    }
  } catch {
    throw new ApiError("The connection broke before the answer was complete.", 0);
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Fetch a file (POST when there is a body) and hand it to the browser as a download. */
export async function download(path, fallbackName, body) {
  const response = await send(body === undefined ? "GET" : "POST", path, body);
  if (!response.ok) throw await refusal(response);
  const disposition = response.headers.get("Content-Disposition") ?? "";
  const full = /filename\*=UTF-8''([^;]+)/i.exec(disposition);
  const plain = /filename="?([^";]+)"?/.exec(disposition);
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = full ? decodeURIComponent(full[1]) : plain ? plain[1] : fallbackName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
