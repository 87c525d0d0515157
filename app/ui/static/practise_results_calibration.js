// Two-sided calibration: how sure the learner and the model said they were, against how often each was right. The model's side
// shows only where it was measured to have skill; else its sentence stands, and the figures behind it, folded.
import { capital, h } from "./dom.js";
import { chartFigure, figureTable } from "./practise_charts.js";
import { reliabilityChart } from "./practise_charts_reliability.js";
import { interval, percent } from "./practise_charts_svg.js";
import { brier, counted } from "./practise_results_words.js";

const HOW = "On the diagonal, sure means right: of the answers called 90 % sure, 90 % are. The larger a point, the more answers; "
  + "whisker: 95 % interval.";

const answered = (points) => points.filter((point) => point.n > 0);

const learnerSeries = ({ points }) => ({
  kind: "learner", name: "You",
  points: answered(points).map((point) => ({ ...point, name: `You, ${point.name}`, short: `${point.name} · n ${point.n}` })),
});

const modelSeries = ({ name, points }) => ({
  kind: "model", name: "Model", full: name,
  points: answered(points).map((point) => ({
    ...point, name: `Model, ${Math.round(100 * point.from)} to ${percent(point.to)}`, short: `n ${point.n}`,
  })),
});

function reliabilityFigure(name, title, series) {
  const drawn = series.filter(({ points }) => points.length);
  if (!drawn.length) return null;
  const points = drawn.flatMap((one) => one.points);
  const n = drawn.map((one) => `${one.kind === "learner" ? "You" : one.full}: ${counted(sum(one.points), "answer")}`);
  return chartFigure({
    name, title, note: `${HOW} ${n.join("; ")}.`, testid: `table-${name}`,
    draw: reliabilityChart({ series: drawn, name: `Reliability diagram of ${counted(points.length, "point")}` }),
    columns: ["Who, how sure", "Said", "Right in", "95 % interval", "Answers"],
    rows: points.map((point) => [point.name, percent(point.said), percent(point.share), interval(point), String(point.n)]),
  });
}

const sum = (points) => points.reduce((total, point) => total + point.n, 0);

function brierSentence(learner, model) {
  const yours = `Your Brier score is ${brier(learner.brier)} (n ${learner.n})`;
  const both = model ? `${yours}, the model's ${brier(model.brier)} (n ${model.n}).` : `${yours}.`;
  return `${both} It is the mean squared gap between how sure was said and what was so: 0 is perfect, always saying your own `
    + `mean gives ${brier(learner.brier_base)}.`;
}

function systemTable(learner, model) {
  const names = [...new Set([...learner.systems, ...(model?.systems ?? [])].map((row) => row.name))].sort();
  if (!names.length) return null;
  const cells = (side, name) => {
    const row = side.systems.find((one) => one.name === name);
    return row ? [String(row.n), percent(row.said), percent(row.share), brier(row.brier)] : ["0", "–", "–", "–"];
  };
  const sides = model ? [["You", learner], ["Model", model]] : [["You", learner]];
  const columns = ["System", ...sides.flatMap(([who]) => [`${who}: n`, `${who}: said`, `${who}: right`, `${who}: Brier`])];
  const rows = names.map((name) => [capital(name), ...sides.flatMap(([, side]) => cells(side, name))]);
  return h("div", { class: "calibration-systems" }, h("h4", { text: "Sure and right, by system" }),
    figureTable("Sure and right, by system", columns, rows, "table-calibration"));
}

/** What the model did, behind the sentence that says why it is folded away. */
function foldedModel(model, disagreements) {
  return h("details", { class: "model-fold", data: { testid: "model-fold" } },
    h("summary", { text: model?.sentence || "The model has not been measured." }),
    model ? [
      reliabilityFigure("reliability-model", "The model's probabilities and the truth", [modelSeries(model)]),
      model.n ? h("p", { class: "result-note", text: `Its Brier score: ${brier(model.brier)} (n ${model.n}).` }) : null,
    ] : null,
    disagreements);
}

/** `disagreements`: the list of them, which is the model's side too. */
export function calibrationSection({ learner, model }, disagreements) {
  const shown = model?.earned ? model : null;
  const series = [learnerSeries(learner), ...(shown ? [modelSeries(shown)] : [])];
  return h("section", { class: "result-section", "aria-label": "Sure and right" },
    reliabilityFigure("reliability", "Sure and right", series),
    h("p", { class: "brier", data: { testid: "brier" }, text: brierSentence(learner, shown) }),
    shown ? h("p", { class: "result-note", text: shown.sentence }) : null,
    systemTable(learner, shown),
    shown ? disagreements : model || disagreements ? foldedModel(model, disagreements) : null);
}
