// Draws a list anew and keeps the focus on the row that had it. Rows are <li data-id>; what can be focused has a test id.
import { fill } from "./dom.js";

/** Remember what has the focus; the function returned gives it back, also to its row of a list that was drawn anew meanwhile. */
export function keepFocus() {
  const held = document.activeElement;
  const row = held?.closest("li[data-id]");
  const list = row?.parentElement;
  return () => {
    if (document.activeElement !== document.body) return; // it is where it belongs, or the reader went on
    const again = [...(list?.children ?? [])].find((one) => one.dataset.id === row.dataset.id);
    const target = held?.isConnected ? held : again?.querySelector(`[data-testid="${held.dataset.testid}"]`);
    target?.focus({ preventScroll: true });
  };
}

export function redraw(list, rows) {
  const back = list.contains(document.activeElement) ? keepFocus() : null;
  fill(list, rows);
  back?.();
}
