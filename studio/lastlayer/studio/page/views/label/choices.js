// The classes as buttons, each with its key; the guess is the one that Enter takes.

import { h, percent, replace } from "../../lib/dom.js";
import { keyOf } from "./keys.js";

export class Choices {
  constructor(choose) {
    this.choose = choose;
    this.rows = new Map();
    this.element = h("div", { class: "choices classes-to-give", role: "group", "aria-label": "Classes" });
  }

  show(labels, scores) {
    if (labels.length !== this.rows.size) this.lay(labels);
    const known = new Map(scores.map((entry) => [entry.label, entry.score]));
    const guess = scores[0]?.label;
    for (const [label, row] of this.rows) {
      row.element.classList.toggle("primary", label === guess);
      row.value.textContent = known.has(label) ? percent(known.get(label)) : "";
    }
  }

  lay(labels) {
    this.rows.clear();
    labels.forEach((label, index) => {
      const value = h("span", { class: "value" });
      const key = keyOf(index);
      const element = h("button", { type: "button", title: label, on: { click: () => this.choose(label) } }, key && h("kbd", {}, key.toUpperCase()), h("span", { class: "name" }, label), value);
      this.rows.set(label, { element, value });
    });
    replace(this.element, [...this.rows.values()].map((row) => row.element));
  }
}
