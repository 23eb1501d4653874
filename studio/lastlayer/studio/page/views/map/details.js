// A photo that was opened: seen larger, given another label, removed, or the way to images like it.

import * as api from "../../lib/api.js";
import { button, h, replace, shortName } from "../../lib/dom.js";
import { fromBase64 } from "../../lib/pictures.js";
import { deferred, tellProblem, toast } from "../../lib/toast.js";
import { alike } from "../alike.js";
import { words } from "./tip.js";

export class Details {
  constructor(project, map) {
    this.project = project;
    this.map = map;
    this.element = h("section", { class: "panel opened-photo", "aria-label": "Photo", hidden: true, on: { keydown: (event) => event.key === "Escape" && this.close(true) } });
  }

  close(back = false) {
    this.element.hidden = true;
    this.point = null;
    this.map.plot.opened = null;
    this.map.plot.draw();
    if (back) (this.from ?? this.map.plot.canvas).focus();
  }

  // Told `byKey`, it takes the focus; `from` gets it back.
  async show(point, byKey, from = null) {
    this.point = point;
    this.from = from;
    this.map.tip.show(null);
    this.map.plot.opened = point;
    this.map.plot.show(point);
    this.element.hidden = false;
    const picture = h("div", { class: "picture" });
    const title = h("h2", { tabindex: -1 }, words(point));
    const example = { id: point.id, sha256: point.sha256, labels: point.labels, thumbnail: "" };
    const target = h(
      "select",
      { "aria-label": "Label", on: { change: () => { give.disabled = !target.value; } } },
      h("option", { value: "" }, point.labels.length ? "Another label…" : "Label…"),
      this.map.classes.filter((label) => point.labels.length !== 1 || label !== point.labels[0]).map((label) => h("option", { value: label }, label)),
    );
    const give = button("Give it", () => this.relabel(point, target.value), { disabled: true });
    replace(
      this.element,
      h("div", { class: "row spread nowrap" }, title, button("", () => this.close(true), { class: "quiet", icon: "close", "aria-label": "Close the photo" })),
      picture,
      h("p", { class: "hint file", title: point.id }, shortName(point.id)),
      point.suspicious && button(`It is ${point.suggested_label}`, () => this.relabel(point, point.suggested_label), { class: "primary" }),
      h("div", { class: "row" }, target, give),
      h(
        "div",
        { class: "row" },
        button("Images like this", () => alike(this.project, { example }), { icon: "alike" }),
        button("Remove", () => this.remove(point), { class: "danger", icon: "trash" }),
      ),
    );
    if (byKey) title.focus();
    this.element.scrollIntoView({ block: "nearest" });
    try {
      const known = await this.map.thumbnails.get(point.sha256);
      if (this.point !== point) return;
      example.thumbnail = known?.thumbnail ?? "";
      const why = known ? "No picture of it was kept, only its features." : "It was removed since the map was laid out.";
      replace(picture, known?.thumbnail ? h("img", { src: fromBase64(known.thumbnail), alt: point.id }) : h("p", { class: "blank" }, why));
    } catch (error) {
      tellProblem(error);
    }
  }

  async relabel(point, label) {
    const before = { labels: point.labels, suspicious: point.suspicious };
    try {
      await api.relabel(this.project, [point.sha256], label);
    } catch (error) {
      tellProblem(error);
      return;
    }
    Object.assign(point, { labels: [label], suspicious: false });
    this.map.changed(point);
    if (this.point === point) this.show(point, this.element.contains(document.activeElement), this.from);
    toast(`It is ${label} now.`, before.labels.length > 1 ? {} : { actionLabel: "Undo", action: () => this.undo(point, before) });
  }

  async undo(point, before) {
    try {
      if (before.labels.length) await api.relabel(this.project, [point.sha256], before.labels[0]);
      else await api.unlabel(this.project, [point.sha256], point.labels[0]);
    } catch (error) {
      tellProblem(error);
      return;
    }
    Object.assign(point, before);
    this.map.changed(point);
    if (this.point === point) this.show(point, false, this.from);
  }

  remove(point) {
    const set = (removed) => {
      point.removed = removed;
      this.map.changed(point);
    };
    this.close(true);
    set(true);
    deferred("1 photo removed.", { commit: (options) => api.remove(this.project, [point.sha256], options), undo: () => set(false) });
  }
}
