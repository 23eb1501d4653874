// The map in words, for who does not see it: how much each class keeps to itself, and the photos as a table.

import { button, count, h, percent, replace } from "../../lib/dom.js";
import { words } from "./tip.js";

const PAGE = 50;
const NEAR = 5; // neighbours on the map
const CELLS = 48;

export class Table {
  constructor(map) {
    this.map = map;
    this.first = 0;
    this.body = h("div", { class: "tables" });
    this.element = h("details", { class: "panel", hidden: true, on: { toggle: () => this.fill() } }, h("summary", {}, "The map in words"), this.body);
  }

  lay() {
    this.first = 0;
    this.stale = true;
    this.fill();
  }

  // Only while it is open: neighbours of ten thousand points take a moment.
  fill() {
    if (!this.element.open || !this.stale || !this.map.known) return;
    this.stale = false;
    const marked = (point) => (point.labels.length > 1 ? 2 : point.suspicious ? 1 : 0);
    this.points = this.map.points.filter((point) => this.map.legend.lets(point)).sort((one, other) => marked(other) - marked(one));
    this.photos = h("div");
    replace(this.body, h("h2", {}, "Class by class"), this.classes(), h("h2", {}, "Photos"), h("p", { class: "hint" }, "Those that the legend shows; the marked ones first."), this.photos);
    this.page(false);
  }

  classes() {
    const rows = mixing(this.map.points).map(([label, { number, same, other }]) =>
      h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, number.toLocaleString("en")), h("td", {}, percent(same)), h("td", {}, other ? `${other[0]}, ${percent(other[1])}` : "")),
    );
    const head = ["class", "photos", "neighbours of the same class", "most others"];
    return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Class by class" }, h("table", {}, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)));
  }

  page(focus) {
    const { points, first } = this;
    const some = points.slice(first, first + PAGE);
    const turn = (to) => { this.first = to; this.page(true); };
    const position = h("p", { tabindex: -1 }, points.length ? `${(first + 1).toLocaleString("en")} to ${(first + some.length).toLocaleString("en")} of ${count(points.length, "photo")}` : "No photos");
    const open = (point) => h("button", { type: "button", class: "link", on: { click: (event) => this.map.details.show(point, true, event.currentTarget) } }, point.id || point.sha256.slice(0, 12));
    const rows = some.map((point) => h("tr", {}, h("th", { scope: "row" }, open(point)), h("td", {}, words(point))));
    replace(
      this.photos,
      position,
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Photos" }, h("table", {}, h("thead", {}, h("tr", {}, ["photo", "label"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows))),
      h("div", { class: "row" }, first > 0 && button("Previous", () => turn(first - PAGE)), first + PAGE < points.length && button("Next", () => turn(first + PAGE))),
    );
    if (focus) position.focus();
  }
}

// Of each class: how many photos, which share of their nearest neighbours on the map has the same label, and which other
// class has most of the rest. Photos without a label, or with two, count for none.
function mixing(points) {
  const plain = points.filter((point) => point.labels.length === 1);
  const at = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor(((value + 1) / 2) * CELLS)));
  const cells = new Map();
  for (const point of plain) {
    const key = at(point.x) * CELLS + at(point.y);
    if (!cells.has(key)) cells.set(key, []);
    cells.get(key).push(point);
  }
  const around = (point, reach) => {
    const found = [];
    for (let column = at(point.x) - reach; column <= at(point.x) + reach; column += 1) {
      for (let row = at(point.y) - reach; row <= at(point.y) + reach; row += 1) found.push(...((column >= 0 && row >= 0 && row < CELLS && cells.get(column * CELLS + row)) || []));
    }
    return found;
  };
  const classes = new Map();
  for (const point of plain) {
    let near = [];
    for (let reach = 1; near.length <= NEAR && reach < CELLS; reach *= 2) near = around(point, reach);
    const far = (other) => (other.x - point.x) ** 2 + (other.y - point.y) ** 2;
    const nearest = near.filter((other) => other !== point).sort((one, other) => far(one) - far(other)).slice(0, NEAR);
    const [label] = point.labels;
    if (!classes.has(label)) classes.set(label, { number: 0, neighbours: 0, others: new Map() });
    const known = classes.get(label);
    known.number += 1;
    known.neighbours += nearest.length;
    for (const { labels } of nearest) known.others.set(labels[0], (known.others.get(labels[0]) ?? 0) + 1);
  }
  return [...classes].map(([label, { number, neighbours, others }]) => {
    const share = (sum) => sum / Math.max(1, neighbours);
    const [other] = [...others].filter(([name]) => name !== label).sort(([, one], [, more]) => more - one);
    return [label, { number, same: share(others.get(label) ?? 0), other: other && [other[0], share(other[1])] }];
  });
}
