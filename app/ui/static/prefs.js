// What the reader set on this browser: theme and single-letter keys. Falls back to defaults where
// storage is blocked. Holds no medical text.

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
