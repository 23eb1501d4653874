// Probabilities as bars that move: rows stay where they are, so that an eye can follow them.

import { h, percent, replace } from "../lib/dom.js";

const SHOWN = 8;

export class Bars {
  constructor() {
    this.rows = new Map();
    this.element = h("ul", { class: "bars", "aria-label": "Probabilities" });
  }

  show(prediction) {
    const scores = prediction.scores.slice(0, SHOWN);
    const known = new Set(this.rows.keys());
    if (scores.some((entry) => !known.has(entry.label)) || scores.length < known.size) this.lay(scores);
    for (const entry of scores) {
      const row = this.rows.get(entry.label);
      row.element.style.setProperty("--share", `${100 * entry.score}%`);
      const predicted = prediction.multi_label ? prediction.labels.includes(entry.label) : entry.label === prediction.label;
      row.element.classList.toggle("best", predicted && !prediction.rejected);
      row.value.textContent = percent(entry.score);
    }
  }

  clear() {
    for (const row of this.rows.values()) {
      row.element.style.setProperty("--share", "0%");
      row.element.classList.remove("best");
      row.value.textContent = "";
    }
  }

  lay(scores) {
    this.rows.clear();
    const ordered = scores.slice(0, SHOWN).sort((one, other) => one.label.localeCompare(other.label));
    for (const { label } of ordered) {
      const value = h("span", { class: "value" });
      this.rows.set(label, { value, element: h("li", { vars: { "--share": "0%" } }, h("span", { class: "label" }, label), h("span", { class: "bar" }), value) });
    }
    replace(this.element, [...this.rows.values()].map((row) => row.element));
  }
}
