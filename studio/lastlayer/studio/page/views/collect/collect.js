// Collect: photos into classes, which are columns; what is in two of them; moving, renaming, deleting with undo.

import { readPhotos, reasonOf, showAdding, tellAdded } from "../../lib/adding.js";
import * as api from "../../lib/api.js";
import { ask } from "../../lib/dialog.js";
import { button, count, h, icon, replace } from "../../lib/dom.js";
import { fromDrop, fromInput } from "../../lib/files.js";
import * as state from "../../lib/state.js";
import { deferred, settle, tellProblem } from "../../lib/toast.js";
import { Upload } from "../../lib/upload.js";
import { Column } from "./column.js";
import { conflicts } from "./conflicts.js";
import { change } from "./label_sets.js";
import { Selection } from "./selection.js";
import { shoot } from "./shoot.js";
import { welcome } from "./welcome.js";

const drafts = new Map(); // classes that have no photo yet, by project
const checkLabel = (label) => ([...label].length > 256 ? "A class has at most 256 characters." : "");

export async function show(root, context) {
  const view = new Collect(root, context);
  await view.load();
  return () => view.leave();
}

class Collect {
  constructor(root, { project, refresh }) {
    this.root = root;
    this.project = project;
    this.refresh = refresh;
    this.columns = new Map();
    this.upload = null;
    this.board = h("div", { class: "board" });
    this.conflicts = h("div");
    this.progress = h("div", { class: "uploading", hidden: true });
    this.selection = new Selection(this);
    this.summary = h("p", { class: "summary" });
    this.next = h("a", { class: "button primary", href: state.link(project, "train"), hidden: true }, "Train", icon("arrow"));
    root.addEventListener("dragover", () => root.classList.add("over"));
    root.addEventListener("dragleave", () => root.classList.remove("over"));
    root.addEventListener("drop", (event) => this.drop(event, null));
  }

  leave() {
    this.selection.leave();
    for (const column of this.columns.values()) column.leave();
  }

  async load() {
    await settle();
    const empty = { classes: {}, conflict_count: 0, stale_count: 0 };
    const dataset = (await api.dataset(this.project)) ?? empty;
    this.several = dataset.multi_label ?? false; // labels a photo may have
    const labels = [...new Set([...Object.keys(dataset.classes), ...(drafts.get(this.project) ?? [])])];
    for (const column of this.columns.values()) column.leave();
    this.columns.clear();
    this.selection.clear();
    for (const label of labels) this.column(label, dataset.classes[label] ?? 0);
    replace(
      this.root,
      h("div", { class: "title" }, h("h1", {}, "Collect"), this.summary, this.next),
      dataset.stale_count > 0 &&
        h("p", { class: "notice" }, `${count(dataset.stale_count, "photo")} must be added again: another network looked at ${dataset.stale_count === 1 ? "it" : "them"}.`),
      this.several &&
        h("p", { class: "hint" }, `A photo may have several labels here, and is in the column of each.${dataset.without_label_count ? ` ${count(dataset.without_label_count, "photo")} with none of them.` : ""}`),
      dataset.pool_count > 0 &&
        h("p", { class: "hint" }, h("a", { href: state.link(this.project, "label") }, `${count(dataset.pool_count, "photo")} without a label`), ` ${dataset.pool_count === 1 ? "waits" : "wait"} in the pool.`),
      this.progress,
      this.conflicts,
      labels.length ? null : welcome(this),
      this.board,
      this.selection.bar,
    );
    this.lay();
    await this.showConflicts(dataset.conflict_count);
  }

  picker(label, properties, style = "") {
    const input = h("input", {
      type: "file",
      class: "visually-hidden",
      "aria-label": label,
      ...properties,
      on: { change: () => this.take(fromInput(input.files), null).then(() => { input.value = ""; }) },
    });
    return h("label", { class: `button ${style}` }, input, label);
  }

  lay() {
    const columns = [...this.columns.values()].map((column) => column.element);
    const add = h(
      "section",
      { class: "column new" },
      button("Add a class", () => this.addClass(), { icon: "plus", class: "big" }),
      h("div", { class: "row centre" }, this.picker("Add a folder", { webkitdirectory: true }), this.picker("Add a zip", { accept: ".zip,.tm" })),
    );
    replace(this.board, columns, this.columns.size > 0 && add);
    this.summarise();
  }

  summarise() {
    const known = [...this.columns.values()];
    const photos = known.reduce((sum, column) => sum + column.count, 0);
    const filled = known.filter((column) => column.count > 0).length;
    this.summary.textContent = known.length ? `${count(photos, "photo")} in ${count(known.length, "class", "classes")}` : "";
    this.next.hidden = filled < 2;
  }

  column(label, number) {
    const column = new Column(this, label, number);
    this.columns.set(label, column);
    return column;
  }

  columnOf(label) {
    const known = this.columns.get(label);
    if (known) return known;
    const made = this.column(label, 0);
    this.root.querySelector(".welcome")?.remove();
    this.lay();
    return made;
  }

  async addClass() {
    const label = await ask("New class", {
      label: "What is it called?",
      action: "Add",
      check: (given) => (this.columns.has(given) ? "There is this class already." : checkLabel(given)),
    });
    if (!label) return;
    drafts.set(this.project, [...(drafts.get(this.project) ?? []), label]);
    this.columnOf(label).focus();
  }

  async rename(column) {
    const label = await ask(`Rename ${column.label}`, { label: "New name", value: column.label, action: "Rename", check: checkLabel });
    if (!label || label === column.label) return;
    const left = (drafts.get(this.project) ?? []).filter((draft) => draft !== column.label);
    try {
      await settle();
      if (column.count) await api.renameClass(this.project, column.label, label);
      drafts.set(this.project, column.count ? left : [...left, label]);
      await this.load();
    } catch (error) {
      tellProblem(error);
    }
  }

  removeClass(column) {
    drafts.set(this.project, (drafts.get(this.project) ?? []).filter((draft) => draft !== column.label));
    column.element.remove();
    this.columns.delete(column.label);
    this.summarise();
    if (!column.count) return;
    if (this.several) {
      this.removeLabel(column);
      return;
    }
    // Known to be on its way at once, or whoever leaves the view now would see the class again.
    let shas = null;
    const found = this.shasOf(column.label).then((known) => (shas = known));
    found.catch(() => {}); // who waits for it hears of it
    deferred(`${column.label} deleted, with ${count(column.count, "photo")}.`, {
      commit: async (options) => {
        shas ??= await found;
        for (let start = 0; start < shas.length; start += 800) await api.remove(this.project, shas.slice(start, start + 800), options);
      },
      undo: () => this.load().catch(tellProblem),
    });
  }

  // Photos that may have several labels stay, without this one.
  removeLabel(column) {
    const found = this.photosOf(column.label);
    found.catch(() => {}); // who waits for it hears of it
    deferred(`${count(column.count, "photo")} without ${column.label}.`, {
      commit: async () => change(this.project, (await found).map(({ sha256: sha, labels }) => ({ sha, labels })), (labels) => labels.filter((label) => label !== column.label)),
      undo: () => this.load().catch(tellProblem),
    });
  }

  async shasOf(label) {
    return (await this.photosOf(label)).filter((entry) => entry.labels.length === 1).map((entry) => entry.sha256);
  }

  async photosOf(label) {
    const found = [];
    let token = "";
    do {
      const page = await api.examples(this.project, { label, thumbnails: false, page_size: 1000, page_token: token });
      found.push(...page.examples);
      token = page.next_page_token;
    } while (token);
    return found;
  }

  // Photos that came: a drop on a column has its class, others that of their folder.

  async drop(event, column) {
    event.preventDefault();
    event.stopPropagation();
    this.root.classList.remove("over");
    const moved = event.dataTransfer.types.includes("application/x-lastlayer");
    if (moved) {
      if (column) this.selection.move(column.label);
      return;
    }
    await this.take(fromDrop(event.dataTransfer), column);
  }

  async take(coming, column) {
    const photos = await readPhotos(coming);
    if (!photos.length) return;
    if (column) photos.forEach((photo) => { photo.label = column.label; });
    else if (photos.some((photo) => !photo.label)) {
      const label = await ask("Which class?", { label: `${count(photos.filter((photo) => !photo.label).length, "photo")} without a folder`, action: "Add", check: checkLabel });
      if (!label) return;
      photos.forEach((photo) => { photo.label ||= label; });
    }
    await this.send(photos);
  }

  async send(photos) {
    const fresh = !this.upload;
    if (fresh) {
      this.upload = new Upload(this.project, (item, outcome) => this.told(item, outcome));
      this.rejected = [];
    }
    for (const photo of photos) this.columnOf(photo.label).expect(photo);
    this.upload.add(photos);
    showAdding(this.progress, this.upload);
    if (!fresh) return;
    const counts = await this.upload.finished;
    this.upload = null;
    this.progress.hidden = true;
    tellAdded(counts, this.rejected);
    await this.refresh().catch(tellProblem);
    if (counts.conflict) await this.load().catch(tellProblem); // they leave the classes that they were in
  }

  told(item, outcome) {
    if (outcome.status === "failed") this.rejected.push(reasonOf(outcome));
    this.columnOf(item.label).arrived(item, outcome);
    if (outcome.status === "added") drafts.set(this.project, (drafts.get(this.project) ?? []).filter((draft) => draft !== item.label));
    if (this.upload) showAdding(this.progress, this.upload);
    this.summarise();
  }

  camera(column) {
    shoot(column.label, (blob, name) => this.send([{ file: blob, name, label: column.label }]));
  }

  async showConflicts(number) {
    replace(this.conflicts, number ? await conflicts(this.project, () => this.load().catch(tellProblem)) : null);
  }
}
