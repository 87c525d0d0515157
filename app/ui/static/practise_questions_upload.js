// Sends a file to our own server and tells how far it is. Knows nothing of what is in it.
import { ApiError } from "./api.js";

const BROKEN = "The connection broke while the file was being sent. If LlamaCare was stopped, start it again; if the file was "
  + "changed meanwhile, choose it again.";

function answer(request) {
  let body = null;
  try {
    body = JSON.parse(request.responseText);
  } catch {
    // Not JSON: the general sentences stand.
  }
  if (request.status < 400 && body) return body;
  const sentence = body?.error || `The server refused this (${request.status}). Reload the page and retry.`;
  throw new ApiError(sentence, request.status);
}

/**
 * POST `file` as it is. sending.show(share) is called with 0 to 1 while it is being sent. Resolves to the JSON answer, to null
 * where sending.signal ended it; throws ApiError.
 */
export function upload(path, file, sending) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
    request.upload.addEventListener("progress", (event) => sending.show(event.total ? event.loaded / event.total : 1));
    request.addEventListener("load", () => {
      try {
        resolve(answer(request));
      } catch (error) {
        reject(error);
      }
    });
    request.addEventListener("error", () => reject(new ApiError(BROKEN, 0)));
    request.addEventListener("abort", () => resolve(null));
    sending.signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
