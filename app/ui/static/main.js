// Entry of every page. Gradio lays the empty mount point; this finds it, takes it out of Gradio's container
// (whose style sheet resets every button, list and table inside it) and starts the page's own script.
// Knows nothing of what the pages show.
import { applyTheme } from "./prefs.js";

const PAGES = {
  "llamacare-ask": "./ask.js", "llamacare-library": "./library.js", "llamacare-evidence": "./evidence.js",
  "llamacare-practise": "./practise.js", "llamacare-models": "./models.js",
};

const KEYBOARD_PX = 120;

function findMount() {
  return document.querySelector(Object.keys(PAGES).map((id) => `#${id}`).join(", "));
}

function mountPoint() {
  return new Promise((resolve) => {
    const found = findMount();
    if (found) return resolve(found);
    const observer = new MutationObserver(() => {
      const mount = findMount();
      if (!mount) return;
      observer.disconnect();
      resolve(mount);
    });
    return observer.observe(document.documentElement, { childList: true, subtree: true });
  });
}

/** On phones the keyboard covers the page without shrinking it: keep the composer above it. */
function followKeyboard(root) {
  const view = window.visualViewport;
  if (!view) return;
  view.addEventListener("resize", () => {
    const covered = view.scale === 1 && window.innerHeight - view.height > KEYBOARD_PX;
    root.style.height = covered ? `${view.height}px` : "";
    if (covered) window.scrollTo(0, 0);
  });
}

applyTheme();
const mount = await mountPoint();
const { start } = await import(PAGES[mount.id]);
const root = document.createElement("div");
root.className = "lc";
root.id = mount.id;
mount.removeAttribute("id");
document.body.append(root);
document.body.classList.add("lc-body");
followKeyboard(root);
start(root);
