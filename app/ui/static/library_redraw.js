// Draws a list anew and keeps the focus on the row that had it. Rows are <li data-id>; what can be focused has a test id.
import { fill } from "./dom.js";

export function redraw(list, rows) {
  const held = list.contains(document.activeElement) ? document.activeElement : null;
  const id = held?.closest("li").dataset.id;
  fill(list, rows);
  if (!id) return;
  const row = [...list.children].find((one) => one.dataset.id === id);
  row?.querySelector(`[data-testid="${held.dataset.testid}"]`)?.focus({ preventScroll: true });
}
