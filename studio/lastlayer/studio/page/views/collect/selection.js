// The photos that are selected, by clicks or keys: moved by dragging or by the list, or deleted.

import * as api from "../../lib/api.js";
import { button, count, h, replace } from "../../lib/dom.js";
import { deferred, tellProblem, toast } from "../../lib/toast.js";
import { alike } from "../alike.js";
import { askLabels, change } from "./label_sets.js";

export class Selection {
  constructor(view) {
    this.view = view;
    this.thumbs = new Set();
    this.last = null; // the one that was pressed last, from which Shift extends
    this.bar = h("div", { class: "selection", hidden: true, role: "toolbar", "aria-label": "Selected photos" });
    this.keys = (event) => this.key(event);
    addEventListener("keydown", this.keys);
  }

  leave() {
    removeEventListener("keydown", this.keys);
  }

  toggle(thumb, on = !this.thumbs.has(thumb)) {
    if (on) this.thumbs.add(thumb);
    else this.thumbs.delete(thumb);
    thumb.element.setAttribute("aria-pressed", String(on));
    this.last = thumb;
    this.showBar();
  }

  // With Shift, all from the one that was pressed last.
  extend(thumb) {
    const thumbs = thumb.column.shown();
    const [from, to] = [thumbs.indexOf(this.last), thumbs.indexOf(thumb)];
    if (from < 0) this.toggle(thumb);
    else for (const one of thumbs.slice(Math.min(from, to), Math.max(from, to) + 1)) this.toggle(one, true);
  }

  key(event) {
    if (event.target.closest?.("dialog")) return;
    if (event.key === "Escape") this.clear();
    else if (event.key === "Delete" && this.thumbs.size) this.remove();
  }

  clear() {
    for (const thumb of [...this.thumbs]) this.toggle(thumb, false);
  }

  showBar() {
    this.bar.hidden = this.thumbs.size === 0;
    if (this.bar.hidden) return;
    // A choice alone moves nothing: by the keyboard one passes the others on the way to one's own.
    const target = h(
      "select",
      { "aria-label": "Move to", on: { change: () => { move.disabled = !target.value; } } },
      h("option", { value: "" }, "Move to…"),
      [...this.view.columns.keys()].map((label) => h("option", { value: label }, label)),
    );
    const move = button("Move", () => this.move(target.value), { disabled: true });
    const labels = button("Labels…", () => this.setLabels(), { icon: "pen" });
    replace(
      this.bar,
      h("b", {}, `${count(this.thumbs.size, "photo")} selected`),
      this.view.several ? labels : h("span", { class: "row" }, target, move),
      this.thumbs.size === 1 && button("Images like this", () => this.showAlike(), { icon: "alike" }),
      button("Delete", () => this.remove(), { icon: "trash" }),
      button("", () => this.clear(), { class: "quiet", icon: "close", "aria-label": "Select none" }),
    );
  }

  showAlike() {
    const [{ element, sha, column }] = this.thumbs;
    const picture = element.querySelector("img, canvas");
    const url = picture?.src ?? picture?.toDataURL("image/jpeg") ?? "";
    alike(this.view.project, { example: { id: element.title, sha256: sha, labels: [column.label], thumbnail: url.split(",")[1] ?? "" } });
  }

  // Where photos may have several labels, they are set together.
  async setLabels() {
    const photos = this.once();
    const chosen = await askLabels([...this.view.columns.keys()], photos);
    if (chosen) await this.give(photos, () => chosen, `${count(photos.length, "photo")} labelled ${chosen.join(", ") || "with nothing"}.`);
  }

  async give(photos, make, words) {
    this.clear();
    try {
      await change(this.view.project, photos, make);
    } catch (error) {
      tellProblem(error);
      return;
    }
    const before = new Map(photos.map((photo) => [photo.sha, photo.labels]));
    await this.view.load().catch(tellProblem);
    toast(words, {
      actionLabel: "Undo",
      action: async () => {
        for (const [sha, labels] of before) await api.relabel(this.view.project, [sha], labels).catch(tellProblem);
        await this.view.load().catch(tellProblem);
      },
    });
  }

  // The selected photos, each once: one may be selected in the columns of several labels.
  once() {
    return [...new Map([...this.thumbs].map((thumb) => [thumb.sha, { sha: thumb.sha, labels: thumb.labels }])).values()];
  }

  async move(label) {
    if (this.view.several) {
      const photos = this.once();
      await this.give(photos, (labels) => [...new Set([...labels, label])], `${count(photos.length, "photo")} labelled ${label}, too.`);
      return;
    }
    const thumbs = [...this.thumbs].filter((thumb) => thumb.column.label !== label);
    this.clear();
    if (!thumbs.length) return;
    const before = byLabel(thumbs);
    try {
      await api.relabel(this.view.project, thumbs.map((thumb) => thumb.sha), label);
    } catch (error) {
      tellProblem(error);
      return;
    }
    for (const thumb of thumbs) thumb.column.give(thumb, this.view.columns.get(label));
    thumbs[0].element.focus({ preventScroll: true });
    this.view.summarise();
    toast(`${count(thumbs.length, "photo")} moved to ${label}.`, {
      actionLabel: "Undo",
      action: async () => {
        for (const [old, some] of before) {
          await api.relabel(this.view.project, some.map((thumb) => thumb.sha), old).catch(tellProblem);
        }
        await this.view.load().catch(tellProblem);
      },
    });
  }

  remove() {
    const chosen = new Set([...this.thumbs].map((thumb) => thumb.sha));
    // A photo with several labels is in several columns.
    const thumbs = [...this.view.columns.values()].flatMap((column) => [...column.thumbs.values()]).filter((thumb) => chosen.has(thumb.sha));
    const [first] = this.thumbs;
    const near = first.column.shown().filter((thumb) => !this.thumbs.has(thumb));
    this.clear();
    thumbs.forEach((thumb) => thumb.column.hide(thumb, true));
    (near[0]?.element ?? first.column.name).focus();
    this.view.summarise();
    deferred(`${count(chosen.size, "photo")} deleted.`, {
      commit: (options) => api.remove(this.view.project, [...chosen], options),
      undo: () => {
        thumbs.forEach((thumb) => thumb.column.hide(thumb, false));
        this.view.summarise();
      },
    });
  }
}

function byLabel(thumbs) {
  const found = new Map();
  for (const thumb of thumbs) found.set(thumb.column.label, [...(found.get(thumb.column.label) ?? []), thumb]);
  return found;
}
