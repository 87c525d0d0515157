// One chart on the page: its title, what it shows, the drawing at the width there is, the same figures as a table, and the
// picture to take along. What is drawn comes from practise_charts_*.
import { toast } from "./dialogs.js";
import { button, fill, h } from "./dom.js";
import { pngBlob, standalone, svgBlob } from "./practise_charts_export.js";
import { datedName, saveFile } from "./practise_charts_save.js";

const SAID = { png: "Picture (PNG)", svg: "Picture (SVG)" };

/** A table that scrolls inside itself. columns: names; rows: lists of texts, the first one names the row. */
export function figureTable(caption, columns, rows, testid) {
  const cell = (text, place) => (place === 0 ? h("th", { scope: "row", text }) : h("td", { text }));
  return h("div", { class: "table", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { data: testid ? { testid } : {} }, h("caption", { class: "sr-only", text: caption }),
      h("thead", {}, h("tr", {}, columns.map((text) => h("th", { scope: "col", text })))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell))))));
}

function picture(kind, chart) {
  const save = async () => {
    try {
      const made = standalone(chart);
      saveFile(`${datedName(chart.title)}.${kind}`, kind === "png" ? await pngBlob(made) : svgBlob(made));
    } catch {
      toast("The browser could not make this picture. Take the other format.", { error: true });
    }
  };
  return button(SAID[kind], {
    icon: "down", kind: "quiet small", testid: `chart-${kind}`, title: `Download picture as ${kind.toUpperCase()}`, on: save,
    "aria-label": `${SAID[kind]} of “${chart.title}”: download`,
  });
}

/** Draws at the width that the place has, now and whenever it changes. */
function canvas(draw) {
  const place = h("div", { class: "chart-canvas" });
  let drawn = 0;
  new ResizeObserver(([{ contentRect }]) => {
    const width = Math.floor(contentRect.width);
    if (!width || width === drawn) return;
    drawn = width;
    fill(place, draw(width));
  }).observe(place);
  return place;
}

/**
 * name: for tests; note: what is drawn, and of how many answers; draw: width in px -> svg; columns, rows, testid: the table.
 */
export function chartFigure({ name, title, note, draw, columns, rows, testid }) {
  const heading = `chart-${name}`;
  return h("figure", { class: "chart", "aria-labelledby": heading, data: { testid: "chart", name } },
    h("figcaption", {}, h("h3", { id: heading, text: title }), h("p", { class: "result-note", text: note })),
    canvas(draw),
    h("div", { class: "chart-foot" },
      h("details", { class: "chart-figures", data: { testid: "figures" } },
        h("summary", { text: "Figures" }), figureTable(title, columns, rows, testid)),
      h("div", { class: "chart-pictures", role: "group", "aria-label": "Download picture" },
        ["png", "svg"].map((kind) => picture(kind, { title, note, draw })))));
}
