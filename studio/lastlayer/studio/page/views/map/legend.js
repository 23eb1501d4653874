// The legend: what each marker means and how many there are; a press hides or shows them.

import { POOL, swatch } from "../../charts/markers.js";
import { button, h, replace } from "../../lib/dom.js";

const ONLY = {
  suspicious: { words: "Label looks wrong", has: (point) => point.suspicious },
  conflict: { words: "In two classes", has: (point) => point.labels.length > 1 },
};
const NONE = Symbol("no label");

export class Legend {
  constructor(changed) {
    this.changed = changed;
    this.hidden = new Set();
    this.only = null; // of the marks
    this.element = h("section", { class: "legend", "aria-label": "Legend" });
  }

  lets(point) {
    const labels = point.labels.length ? point.labels : [NONE];
    return labels.some((label) => !this.hidden.has(label)) && (!this.only || ONLY[this.only].has(point));
  }

  lay(map) {
    this.map = map;
    const counts = new Map();
    const marked = { suspicious: 0, conflict: 0 };
    for (const point of map.points) {
      for (const label of point.labels.length ? point.labels : [NONE]) counts.set(label, (counts.get(label) ?? 0) + 1);
      for (const kind of Object.keys(ONLY)) if (ONLY[kind].has(point)) marked[kind] += 1;
    }
    const labels = [...map.classes.filter((label) => counts.has(label)), ...(counts.has(NONE) ? [NONE] : [])];
    const all = button("All", () => this.set([]), { class: "link" });
    const none = button("None", () => this.set(labels), { class: "link" });
    const marks = Object.keys(ONLY).filter((kind) => marked[kind] > 0 || this.only === kind);
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.label : undefined;
    replace(
      this.element,
      h("div", { class: "row spread" }, h("h2", {}, "Legend"), h("span", {}, all, none)),
      h("ul", {}, labels.map((label) => this.line(label, counts.get(label)))),
      marks.length > 0 && h("h3", {}, "Marked: press to see these alone"),
      marks.length > 0 && h("ul", {}, marks.map((kind) => this.markLine(kind, marked[kind]))),
    );
    if (focused !== undefined) [...this.element.querySelectorAll("[data-label]")].find((one) => one.dataset.label === focused)?.focus();
  }

  line(label, number) {
    const name = label === NONE ? "No label" : label;
    const picture = swatch(label === NONE ? POOL : this.map.markerOf(label));
    return h("li", {}, h("button", { type: "button", class: "entry", "aria-pressed": String(!this.hidden.has(label)), data: { label: label === NONE ? "" : `=${label}` }, title: name, on: { click: () => this.toggle(label) } }, picture, h("span", { class: "name" }, name), h("span", { class: "value" }, number.toLocaleString("en"))));
  }

  markLine(kind, number) {
    const press = () => {
      this.only = this.only === kind ? null : kind;
      this.update();
    };
    return h("li", {}, h("button", { type: "button", class: "entry", "aria-pressed": String(this.only === kind), data: { label: kind }, on: { click: press } }, swatch({}, kind), h("span", { class: "name" }, ONLY[kind].words), h("span", { class: "value" }, number.toLocaleString("en"))));
  }

  toggle(label) {
    if (!this.hidden.delete(label)) this.hidden.add(label);
    this.update();
  }

  set(labels) {
    this.hidden = new Set(labels);
    this.update();
  }

  update() {
    this.lay(this.map);
    this.changed();
  }
}
