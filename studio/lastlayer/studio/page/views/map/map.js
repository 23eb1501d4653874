// Map: all photos of a project in two dimensions, so that photos that look alike to the network lie near each other.

import * as api from "../../lib/api.js";
import { marker, POOL } from "../../charts/markers.js";
import { button, count, h, icon, percent, replace } from "../../lib/dom.js";
import * as state from "../../lib/state.js";
import { settle, tellProblem } from "../../lib/toast.js";
import { Details } from "./details.js";
import { Legend } from "./legend.js";
import { Plot } from "./plot.js";
import { Table } from "./table.js";
import { Thumbnails, Tip } from "./tip.js";

const MOST = 10000;
const METHODS = { neighbors: "by nearest neighbours", pca: "by principal components" };

// The last layout of each project, as long as the tab is open: one may take a minute.
const laid = new Map();

export async function show(root, { project }) {
  await settle();
  const [dataset, model] = await Promise.all([api.dataset(project), api.model(project)]);
  const number = (dataset?.example_count ?? 0) + (dataset?.pool_count ?? 0);
  if (number < 3) {
    replace(
      root,
      h("div", { class: "title" }, h("h1", {}, "Map")),
      h("section", { class: "hero" }, icon("photo"), h("h2", {}, "Nothing to lay out yet"), h("p", {}, "With some photos, this shows which look alike to the network, where classes run into each other, and which labels stand apart."), h("a", { class: "button primary big", href: state.link(project, "collect") }, "Collect")),
    );
    return null;
  }
  if (dataset.multi_label) {
    replace(
      root,
      h("div", { class: "title" }, h("h1", {}, "Map")),
      h("section", { class: "hero" }, icon("photo"), h("h2", {}, "Photos may have several labels here"), h("p", {}, "The map colours photos by their one class. For photos with several labels, client map draws a page that colours them by all of theirs.")),
    );
    return null;
  }
  const view = new MapView(root, project, dataset, model);
  const known = laid.get(project);
  if (known) view.present(known);
  else view.begin();
  return () => view.leave();
}

class MapView {
  constructor(root, project, dataset, model) {
    Object.assign(this, { root, project, dataset, model });
    this.thumbnails = new Thumbnails(project);
    this.plot = new Plot({
      lookOf: (point) => (point.look ??= this.look(point)),
      isShown: (point) => this.legend.lets(point),
      hover: (point, place) => this.tip.show(point, place, this.plot.width),
      choose: (point, byKey) => this.details.show(point, byKey),
    });
    this.tip = new Tip(this.thumbnails);
    this.legend = new Legend(() => { this.plot.order(); this.table.lay(); });
    this.details = new Details(project, this);
    this.table = new Table(this);
    this.summary = h("p", { class: "summary" });
    this.method = h("select", { "aria-label": "Layout", on: { change: () => this.begin() } }, h("option", { value: "auto" }, "Best layout"), Object.entries(METHODS).map(([value, words]) => h("option", { value }, `Laid out ${words}`)));
    this.pool = h("input", { type: "checkbox", checked: true, on: { change: () => this.begin() } });
    this.words = h("p", { role: "status" });
    this.meter = h("progress", { max: 1, value: 0, "aria-label": "Laying out" });
    this.stop = button("Stop", () => this.abort.abort(), { class: "quiet" });
    this.progress = h("div", { class: "panel laying", hidden: true }, this.words, h("div", { class: "row" }, this.meter, this.stop));
    this.again = button("Lay out again", () => this.begin());
    this.notes = h("div", { class: "notes" });
    this.map = h(
      "div",
      { class: "mapping", hidden: true },
      h(
        "div",
        { class: "stage-of-map" },
        this.plot.canvas,
        this.tip.element,
        h("div", { class: "zooms" }, button("+", () => this.plot.zoom(1.5), { "aria-label": "Zoom in" }), button("−", () => this.plot.zoom(1 / 1.5), { "aria-label": "Zoom out" }), button("⤢", () => this.plot.whole(), { "aria-label": "Show all" })),
      ),
      h("div", { class: "beside-map" }, this.details.element, this.legend.element),
      h("p", { class: "hint", id: "map-keys" }, "Drag, scroll or pinch; with keys: arrows move, + and − zoom, 0 shows all, Enter opens the photo nearest to the middle."),
    );
    replace(
      root,
      h("div", { class: "title" }, h("h1", {}, "Map"), this.summary),
      h("div", { class: "row mapped-how" }, this.method, this.again, dataset.pool_count > 0 && h("label", { class: "switch" }, this.pool, " Also photos without a label")),
      this.progress,
      this.notes,
      this.map,
      this.table.element,
    );
  }

  leave() {
    this.abort?.abort();
    this.plot.leave();
    this.tip.leave();
  }

  async begin() {
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    this.again.hidden = true;
    this.progress.hidden = false;
    this.tell({ message: "reading the features", fraction: 0 });
    const options = { method: this.method.value, max_examples: MOST, pool: this.pool.checked, model: this.model?.name ?? "" };
    try {
      const found = await api.map(this.project, options, (progress) => this.tell(progress), abort.signal);
      this.dataset = (await api.dataset(this.project)) ?? this.dataset;
      const known = { ...found, asked: this.method.value, pool: this.pool.checked, classes: Object.keys(this.dataset.classes), update_time: this.dataset.update_time };
      laid.set(this.project, known);
      this.present(known);
    } catch (error) {
      if (abort !== this.abort) return; // another layout was asked for
      if (error.name !== "AbortError") tellProblem(error);
      this.rest();
      if (!this.known) this.summary.textContent = "Not laid out";
    }
  }

  rest() {
    this.progress.hidden = true;
    this.again.hidden = false;
  }

  tell({ message, fraction }) {
    this.words.textContent = `${message[0].toUpperCase()}${message.slice(1)} · ${percent(fraction)}`;
    this.meter.value = fraction;
  }

  present(known) {
    this.known = known;
    this.looks = new Map();
    for (const point of known.points) point.look = null;
    this.rest();
    this.map.hidden = false;
    this.table.element.hidden = false;
    this.method.value = known.asked;
    this.pool.checked = known.pool;
    const { points, method, example_count: all } = known;
    this.summary.textContent = `${points.length < all ? `${points.length.toLocaleString("en")} of ` : ""}${count(all, "photo")} laid out ${METHODS[method]}`;
    const changed = known.update_time !== this.dataset.update_time;
    const stale = known.stale_count;
    replace(this.notes, stale > 0 && h("p", { class: "hint" }, `${count(stale, "photo")} must be added again to be on it: another network looked at ${stale === 1 ? "it" : "them"}.`), changed && h("p", { class: "hint" }, "Photos or labels changed since it was laid out."), method === "neighbors" && h("p", { class: "hint" }, "What is near looks alike; how far groups are from each other says little."));
    this.classes = known.classes;
    this.details.close();
    this.plot.lay(points);
    this.legend.lay(this);
    this.table.lay();
  }

  markerOf(label) {
    if (!this.classes.includes(label)) this.classes.push(label);
    return marker(this.classes.indexOf(label));
  }

  look(point) {
    const conflict = point.labels.length > 1;
    const label = point.labels[0];
    const mark = conflict ? "conflict" : point.suspicious ? "suspicious" : null;
    const key = `${mark} ${label ?? ""}`;
    if (!this.looks.has(key)) this.looks.set(key, { marker: label === undefined ? POOL : this.markerOf(label), mark });
    return this.looks.get(key);
  }

  get points() {
    return this.known.points.filter((point) => !point.removed);
  }

  // A point has another label, or is gone or back.
  changed(point) {
    point.look = null;
    this.legend.lay(this);
    this.plot.order();
    this.table.lay();
  }
}
