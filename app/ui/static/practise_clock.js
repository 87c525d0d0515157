// The time spent on one question. Time in a hidden tab does not count. Drawn here and not by the server,
// because the server is asked nothing while a learner thinks.

const STEP_MS = 250;

/** 75000 -> "1:15" */
export function clockText(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

export function createClock() {
  let work = null;
  let face = null;
  let since = 0;
  let timer = 0;

  const count = () => {
    if (!work) return;
    const now = performance.now();
    if (!document.hidden) work.elapsed += now - since;
    since = now;
    face.textContent = clockText(work.elapsed);
  };
  const pause = () => {
    if (timer && !document.hidden) count();
    clearInterval(timer);
    timer = 0;
    work = null;
  };
  document.addEventListener("visibilitychange", () => {
    if (!work) return;
    const now = performance.now();
    if (document.hidden) work.elapsed += now - since;
    since = now;
  });
  return {
    pause,
    /** Count on `next.elapsed` and show it in `element`, unless the item is committed. */
    run(next, element) {
      pause();
      if (next.item.attempt) return;
      work = next;
      face = element;
      since = performance.now();
      count();
      timer = setInterval(count, STEP_MS);
    },
  };
}
