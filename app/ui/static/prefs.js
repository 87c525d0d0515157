// What the reader set on this browser: theme, text size, contrast, single-letter keys, the session last chosen. Falls back
// to defaults where storage is blocked. Holds no medical text.

function read(key, fallback) {
  try {
    return localStorage.getItem(key) ?? fallback;
  } catch {
    return fallback;
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage blocked: the choice holds until the page is left.
  }
}

export const THEMES = ["auto", "light", "dark"];

export function theme() {
  const stored = read("llamacare.theme", "auto");
  return THEMES.includes(stored) ? stored : "auto";
}

/** Set and remember the theme; "auto" follows the system. */
export function setTheme(name) {
  write("llamacare.theme", name);
  applyTheme(name);
}

export function applyTheme(name = theme()) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

export const letterKeys = () => read("llamacare.letter-keys", "on") === "on";
export const setLetterKeys = (on) => write("llamacare.letter-keys", on ? "on" : "off");

// How questions are shown

export const TEXT_SIZES = [1, 2, 3, 4, 5];
const USUAL_SIZE = 2;

export function textSize() {
  const stored = Number(document.documentElement.dataset.textSize ?? read("llamacare.text-size", USUAL_SIZE));
  return TEXT_SIZES.includes(stored) ? stored : USUAL_SIZE;
}

export const highContrast = () => (document.documentElement.dataset.contrast ?? read("llamacare.contrast", "usual")) === "high";

/** One step larger (1) or smaller (-1), within TEXT_SIZES. */
export function changeTextSize(by) {
  const size = Math.min(TEXT_SIZES.at(-1), Math.max(TEXT_SIZES[0], textSize() + by));
  write("llamacare.text-size", size);
  document.documentElement.dataset.textSize = size;
}

export function setHighContrast(on) {
  write("llamacare.contrast", on ? "high" : "usual");
  document.documentElement.dataset.contrast = on ? "high" : "usual";
}

/** Show questions as the reader last set it. */
export function applyReading() {
  document.documentElement.dataset.textSize = textSize();
  document.documentElement.dataset.contrast = highContrast() ? "high" : "usual";
}

// The session last chosen, as the start page's form gives it; null before the first.

export function lastSelection() {
  try {
    return JSON.parse(read("llamacare.practise", "null"));
  } catch {
    return null;
  }
}

export const keepSelection = (selection) => write("llamacare.practise", JSON.stringify(selection));
