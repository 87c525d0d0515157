// What all pages share: header with brand, navigation and theme switch, the model's line, the drawer
// of the left column on phones, where a page has one. Knows nothing of what the page shows.
import { button, fill, h, icon } from "./dom.js";
import { EngineStatus } from "./engine_status.js";
import { THEMES, setTheme, theme } from "./prefs.js";

const THEME_ICON = { auto: "auto", light: "sun", dark: "moon" };

function themeSwitch() {
  const control = button("Theme", { kind: "quiet theme", testid: "theme", on: () => {
    setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
    draw();
  } });
  const draw = () => {
    fill(control, icon(THEME_ICON[theme()]), h("span", { text: `Theme: ${theme()}` }));
    control.title = `Theme: ${theme()}. Press to change.`;
  };
  draw();
  return control;
}

function brand() {
  return h("a", { class: "brand", href: "/" }, h("span", { class: "brand-mark", "aria-hidden": "true" }),
    h("span", { class: "brand-name", text: "LlamaCare" }));
}

function navigation(current) {
  const link = (name, label, href) => h("a", {
    href, text: label, "aria-current": name === current ? "page" : undefined, data: { testid: `nav-${name}` },
  });
  return h("nav", { class: "site-nav", "aria-label": "Pages" },
    link("ask", "Ask", "/"), link("library", "Library", "/library"), link("evidence", "Evidence", "/evidence"),
    link("practise", "Practise", "/practise"), link("models", "Models", "/models"));
}

/** Opens and closes the left column where the screen is narrow. */
function drawer(side, opener) {
  const shade = h("div", { class: "shade", hidden: true });
  const set = (open) => {
    side.classList.toggle("open", open);
    shade.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    if (open) side.querySelector("button, a, input")?.focus();
  };
  const close = () => {
    if (!side.classList.contains("open")) return;
    set(false);
    opener.focus();
  };
  opener.addEventListener("click", () => set(!side.classList.contains("open")));
  shade.addEventListener("click", close);
  side.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
  return { shade, close: () => set(false) };
}

function leftColumn(label) {
  const side = h("aside", { class: "side", id: "side", "aria-label": label });
  const opener = button(label, {
    icon: "menu", kind: "side-opener", testid: "side-opener", "aria-controls": "side", "aria-expanded": "false",
  });
  const { shade, close } = drawer(side, opener);
  side.append(button("Close", { icon: "close", kind: "quiet side-closer", on: () => { close(); opener.focus(); } }));
  return { side, opener, shade, close };
}

/**
 * Build the frame into `mount`. Returns where to put things: {side, main, closeSide}; without `sideLabel` there is no left
 * column, and `main` is all.
 */
export function buildFrame(mount, { page, title, sideLabel }) {
  const main = h("main", { class: "main", id: "main", tabindex: "-1" });
  const { side, opener, shade, close } = sideLabel ? leftColumn(sideLabel) : {};
  const status = new EngineStatus();
  const skip = (event) => { event.preventDefault(); main.focus(); };
  status.begin();
  fill(mount,
    h("a", { class: "skip", href: "#main", text: "Skip to the content", on: { click: skip } }),
    h("header", { class: "top" },
      h("div", { class: "top-row" }, opener, brand(), navigation(page), themeSwitch()),
      status.element),
    h("h1", { class: "sr-only", text: title }),
    h("div", { class: "columns" }, side, main, shade),
    h("div", { class: "toasts", role: "status" }));
  return { side, main, closeSide: close };
}
