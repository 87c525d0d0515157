// What a model was measured to be worth: for each system the share right, its interval and chance, as a bar and in words.
// Pure drawing of what the server counted.
import { h } from "./dom.js";

const percent = (share) => `${Math.round(100 * share)}`;
const OVER_ALL = "all"; // as app/earned.py names the skill over every exam question
const LEGEND = "Band: 95 % interval. Mark: share right. Line: chance, what one constant answer would get.";

function bar({ accuracy, low, high, chance, earned }) {
  const band = h("span", { class: "skill-band" });
  const mark = h("span", { class: "skill-mark" });
  const line = h("span", { class: "skill-chance" });
  band.style.left = `${100 * low}%`;
  band.style.width = `${100 * (high - low)}%`;
  mark.style.left = `${100 * accuracy}%`;
  line.style.left = `${100 * chance}%`;
  return h("span", { class: "skill-track", "aria-hidden": "true", data: { earned } }, band, line, mark);
}

function words({ accuracy, low, high, n, chance, earned, few }) {
  const verdict = earned ? "above chance" : few ? "too few to tell; chance" : "no better than chance";
  return [
    h("span", { class: "skill-share" }, h("strong", { text: `${percent(accuracy)}\u202f%` }),
      ` (${percent(low)}–${percent(high)}), n = ${n}`),
    h("span", { class: "skill-verdict", text: `${verdict} (${percent(chance)}\u202f%)` }),
  ];
}

function row(skill) {
  return h("li", { class: "skill", data: { testid: "skill", name: skill.name, earned: skill.earned } },
    h("span", { class: "skill-name", text: skill.name === OVER_ALL ? "All exam questions" : skill.name }),
    bar(skill), words(skill));
}

function modeBlock({ mode, name, skills }) {
  const whole = skills.filter((skill) => skill.name === OVER_ALL);
  const systems = skills.filter((skill) => skill.name !== OVER_ALL);
  const earned = systems.filter((skill) => skill.earned).length;
  return h("div", { class: "worth-mode", data: { testid: "worth-mode", mode } },
    h("h5", { text: name }),
    h("ul", { class: "skills" }, whole.map(row)),
    systems.length ? h("details", { class: "fold", data: { testid: `systems-${mode}` } },
      h("summary", { text: `By system: above chance in ${earned} of ${systems.length}` }),
      h("ul", { class: "skills" }, systems.map(row))) : null);
}

export function worthSection({ sentence, modes }) {
  return h("section", { class: "worth", data: { testid: "worth" } },
    h("h4", { text: "Measured worth" }),
    h("p", { class: "worth-sentence", text: sentence }),
    modes.map(modeBlock),
    modes.length ? h("p", { class: "worth-legend", text: LEGEND }) : null);
}
