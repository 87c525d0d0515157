// A chart as a picture that stands alone: title, what it shows, how many answers, the date, our colours written into it.
// Drawn anew at a fixed width, in the theme that the page has; the style sheet's values are copied into the elements.
import { h } from "./dom.js";
import { s } from "./practise_charts_svg.js";

const WIDTH = 720;
const EDGE = 28;
const LINE = 19;
const LETTERS = 105; // a line of the note
const SCALE = 2;
const KEPT = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "font-family",
  "font-size", "font-weight", "font-style", "font-variant-numeric", "paint-order"];

function lines(text) {
  const found = [""];
  for (const word of text.split(" ")) {
    if ((found.at(-1) + word).length > LETTERS) found.push("");
    found[found.length - 1] += `${word} `;
  }
  return found.map((line) => line.trim());
}

const today = () => new Date().toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" });

function compose({ title, note, draw }) {
  const words = lines(note);
  const chart = draw(WIDTH);
  const top = EDGE + 34 + words.length * LINE;
  const height = top + Number(chart.getAttribute("height")) + 52;
  const width = WIDTH + 2 * EDGE;
  const text = (kind, y, content) => s("text", { class: kind, x: EDGE, y, text: content });
  const picture = s("svg", { class: "chart-svg", width, height, viewBox: `0 0 ${width} ${height}` },
    s("title", { text: `${title}. ${note}` }),
    s("rect", { class: "chart-paper", width: "100%", height: "100%" }),
    text("chart-title", EDGE + 16, title),
    words.map((line, place) => text("chart-note", EDGE + 38 + place * LINE, line)),
    s("g", { transform: `translate(${EDGE} ${top})` }, [...chart.children]),
    text("chart-note", height - 18, `LlamaCare · ${today()}`));
  return { picture, width, height };
}

function inline(element) {
  const style = getComputedStyle(element);
  for (const name of KEPT) element.setAttribute(name, style.getPropertyValue(name));
  for (const name of ["class", "data-testid", "data-name"]) element.removeAttribute(name);
}

/** {svg: text of the file, width, height in px}. `chart`: {title, note, draw}. */
export function standalone(chart) {
  const { picture, width, height } = compose(chart);
  const host = h("div", { class: "chart-host", "aria-hidden": "true" }, picture);
  document.querySelector(".lc").append(host);
  [picture, ...picture.querySelectorAll("*")].forEach(inline);
  host.remove();
  return { svg: new XMLSerializer().serializeToString(picture), width, height };
}

export const svgBlob = ({ svg }) => new Blob([svg], { type: "image/svg+xml" });

/** The picture at twice its size, as a PNG. */
export async function pngBlob({ svg, width, height }) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = h("canvas", { width: SCALE * width, height: SCALE * height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The browser made no picture."))), "image/png");
  });
}
