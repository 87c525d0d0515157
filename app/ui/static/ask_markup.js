// The one place of the Ask page where markup is taken: an answer as the server rendered and cleaned it.

/**
 * Put `safeHtml` into `target`. The leading blocks that did not change stay untouched, so that a selection in an earlier
 * paragraph survives and a long answer costs no more than its last block.
 */
export function patch(target, safeHtml) {
  const template = document.createElement("template");
  template.innerHTML = safeHtml;
  const fresh = [...template.content.childNodes];
  const shown = [...target.childNodes];
  let same = 0;
  while (same < shown.length && same < fresh.length && shown[same].isEqualNode(fresh[same])) same += 1;
  for (const node of shown.slice(same)) node.remove();
  target.append(...fresh.slice(same));
}
