// When the open question is kept though nothing was chosen: every few seconds in view, when the tab is hidden, when the page
// is left. Knows nothing of what is kept.

const KEEP_MS = 15_000;

/** `keep()` may wait for the server; `keepOnLeaving()` must not. */
export function keepFromTimeToTime({ keep, keepOnLeaving }) {
  setInterval(() => { if (!document.hidden) keep(); }, KEEP_MS);
  document.addEventListener("visibilitychange", () => { if (document.hidden) keep(); });
  addEventListener("pagehide", keepOnLeaving);
}
