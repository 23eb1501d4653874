// Mend: labels that look wrong, one by one. A digit gives a label, the space bar keeps it, Delete removes the photo.

import * as api from "../lib/api.js";
import { button, count, h, icon, replace } from "../lib/dom.js";
import * as state from "../lib/state.js";
import { tellProblem } from "../lib/toast.js";
import { Mapped } from "./mapped.js";
import { Bars } from "../charts/bars.js";
import { beside } from "../charts/numbers.js";
import { Trainer } from "./trainer.js";

const QUEUE = 200;

// Labels that somebody kept are not asked for again, as long as the tab is open.
const kept = new Set();
const keyOf = (version, entry) => `${version.dataset} ${entry.example.sha256} ${entry.label || `+${entry.suggested_label}`}`;

export async function show(root, { project }) {
  const version = await api.defaultVersion(project);
  if (!version) {
    replace(
      root,
      h("div", { class: "title" }, h("h1", {}, "Mend")),
      h("section", { class: "hero" }, icon("pen"), h("h2", {}, "Train first"), h("p", {}, "A model can tell which labels look wrong: those of photos that it would put elsewhere when it has not seen them."), h("a", { class: "button primary big", href: state.link(project, "train") }, "Train")),
    );
    return null;
  }
  const mending = new Mending(root, project, version);
  await mending.load();
  return () => mending.leave();
}

class Mending {
  constructor(root, project, version) {
    Object.assign(this, { root, project, version });
    this.done = []; // what was decided, to be undone
    this.place = h("div", { class: "mend" });
    this.maps = false;
    this.changes = Promise.resolve(); // one after the other, in the order of the decisions
    this.keys = (event) => this.key(event);
    this.close = () => this.apply({ keepalive: true }).catch(tellProblem);
    addEventListener("keydown", this.keys);
    addEventListener("pagehide", this.close);
    this.trainer = new Trainer(project, {
      label: "Train again",
      options: () => asBefore(this.version), // so that the two can be compared
      before: () => this.apply(),
      done: (after) => this.compare(after),
      failed: tellProblem,
    });
  }

  leave() {
    removeEventListener("keydown", this.keys);
    removeEventListener("pagehide", this.close);
    this.trainer.leave();
    this.close();
  }

  async load() {
    const { examples, total_count: total } = await api.review(this.project, this.version.version, { kind: "suspicious", limit: QUEUE });
    this.queue = examples.filter((entry) => !kept.has(keyOf(this.version, entry)));
    this.total = total - (examples.length - this.queue.length);
    this.done = [];
    this.index = 0;
    this.now = new Map(); // the labels of photos that may have several, by sha256, as decided so far
    const dataset = await api.dataset(this.version.dataset);
    this.labels = Object.keys(dataset?.classes ?? {});
    const words = this.total ? `${count(this.total, "label")} of version ${this.version.version} ${this.total === 1 ? "looks" : "look"} wrong` : "";
    replace(this.root, h("div", { class: "title" }, h("h1", {}, "Mend"), h("p", { class: "summary" }, words)), this.place);
    this.present();
  }

  present() {
    const entry = this.queue[this.index];
    if (!entry) {
      this.finish();
      return;
    }
    const pair = this.version.multi_label ? asPair(entry, this.labelsOf(entry)) : null;
    const { example, label, label_probability: given, suggested_label: suggested, suggested_probability: guessed } = pair ?? entry;
    this.photo = new Mapped(this.project, this.version.version, example, pair?.inDoubt ?? suggested);
    this.trouble = h("p", { class: "hint", role: "status" });
    const maps = h("input", { type: "checkbox", checked: this.maps, on: { change: () => { this.maps = maps.checked; this.showMap(); } } });
    const ordered = pair ? [suggested, label] : [suggested, ...this.labels.filter((other) => other !== suggested)];
    this.ordered = ordered;
    const sure = new Bars();
    sure.show({ label: suggested, rejected: false, scores: [{ label: suggested, score: guessed }, { label, score: given }] });
    replace(
      this.place,
      h("div", { class: "row spread" }, h("p", { class: "eyebrow", role: "status" }, `${this.index + 1} of ${this.queue.length}`), h("progress", { max: this.queue.length, value: this.index, "aria-label": "Looked at" })),
      h(
        "div",
        { class: "judged" },
        h("div", { class: "evidence" }, this.photo.element, h("label", { class: "switch" }, maps, ` Light up what speaks for ${pair?.inDoubt ?? suggested}`), this.trouble),
        h(
          "div",
          { class: "judgement" },
          pair ? h("h2", { tabindex: -1 }, "Does it have ", h("b", {}, pair.inDoubt), `? Now it has ${pair.has}.`) : h("h2", { tabindex: -1 }, "Labelled ", h("b", {}, label), `. Is it ${guessed >= 0.9 ? "not rather" : "perhaps"} `, h("b", {}, suggested), "?"),
          h("p", { class: "hint" }, "A model that has not seen this photo gives"),
          sure.element,
          h(
            "div",
            { class: "choices" },
            ordered.map((other, number) =>
              h(
                "button",
                { type: "button", class: other === suggested ? "primary" : other === label ? "current" : "", on: { click: () => this.decide(other) } },
                number < 9 && h("kbd", {}, number + 1),
                other,
              ),
            ),
          ),
          h(
            "div",
            { class: "row" },
            h("button", { type: "button", on: { click: () => this.keep() } }, h("kbd", {}, "Space"), pair ? label : `Keep ${label}`),
            h("button", { type: "button", class: "danger", on: { click: () => this.remove() } }, h("kbd", {}, "Del"), "Remove the photo"),
            this.done.length > 0 && h("button", { type: "button", class: "quiet", on: { click: () => this.undo() } }, h("kbd", {}, "U"), "Back"),
            this.done.some(({ kind }) => kind !== "kept") && button("That is enough", () => this.finish(), { class: "quiet" }),
          ),
          h("p", { class: "hint file" }, example.id),
        ),
      ),
    );
    this.showMap();
    this.place.querySelector("h2").focus();
  }

  async showMap() {
    this.trouble.textContent = await this.photo.show(this.maps);
  }

  key(event) {
    const typing = event.target.closest?.("input:not([type=checkbox]), select, textarea, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !this.queue?.[this.index]) return;
    const onButton = event.target.closest?.("button, a, input, summary");
    if (/^[1-9]$/.test(event.key) && this.ordered[event.key - 1]) this.decide(this.ordered[event.key - 1]);
    else if (event.key === " " && !onButton) this.keep();
    else if (event.key === "Delete") this.remove();
    else if (event.key.toLowerCase() === "u" && this.done.length) this.undo();
    else return;
    event.preventDefault();
  }

  keep() {
    const key = keyOf(this.version, this.queue[this.index]);
    kept.add(key);
    this.advance({ kind: "kept", key });
  }

  // A removal waits until all is decided, so that it can be undone: the photo itself is not ours to add again.
  remove() {
    this.advance({ kind: "removed", sha: this.queue[this.index].example.sha256 });
  }

  labelsOf({ example }) {
    return this.now.get(example.sha256) ?? example.labels;
  }

  decide(label) {
    const current = this.queue[this.index];
    if (this.version.multi_label) {
      const before = this.labelsOf(current);
      const pair = asPair(current, before);
      if (label === pair.label) this.keep();
      else {
        const entry = { kind: "relabelled", sha: current.example.sha256, before };
        this.now.set(entry.sha, pair.labels);
        this.advance(entry);
        this.change(entry, pair.labels);
      }
      return;
    }
    const { example, label: before } = current;
    if (label === before) {
      this.keep();
      return;
    }
    const entry = { kind: "relabelled", sha: example.sha256, before };
    this.advance(entry);
    this.change(entry, label);
  }

  advance(entry) {
    this.done.push(entry);
    this.index += 1;
    this.present();
  }

  undo() {
    const entry = this.done.pop();
    kept.delete(entry.key);
    this.index -= 1;
    if (Array.isArray(entry.before)) this.now.set(entry.sha, entry.before);
    this.present();
    if (entry.kind === "relabelled") this.change(entry, entry.before);
  }

  change(entry, label) {
    this.changes = this.changes
      .then(() => api.relabel(this.version.dataset, [entry.sha], label))
      .catch((error) => {
        entry.kind = "failed";
        tellProblem(error);
      });
  }

  // Lets all changes be made, and removes what is to be removed, for good.
  async apply(options) {
    const shas = this.done.filter((entry) => entry.kind === "removed").map((entry) => entry.sha);
    this.done = [];
    if (this.back) this.back.hidden = true;
    await this.changes;
    if (shas.length) await api.remove(this.version.dataset, shas, options);
  }

  finish() {
    const removed = this.done.filter((entry) => entry.kind === "removed").length;
    const relabelled = this.done.filter((entry) => entry.kind === "relabelled").length;
    const words = [relabelled && `${relabelled} relabelled`, removed && `${removed} to be removed`].filter(Boolean).join(", ");
    this.trainer.start.textContent = removed ? `Remove ${count(removed, "photo")} and train again` : "Train again";
    this.back = button("Back", () => this.undo(), { class: "quiet", hidden: this.done.length === 0 });
    const some = removed + relabelled > 0;
    const [title, text] =
      this.total === 0
        ? ["No label looks wrong", "Each photo is where a model that has not seen it would put it, or near enough."]
        : some
          ? ["That was all of it", `${words}. Train again to see what it brought.`]
          : ["All as it was", "You kept all labels; the model is not always right either."];
    replace(
      this.place,
      h(
        "section",
        { class: "hero" },
        icon("check"),
        h("h2", { tabindex: -1 }, title),
        h("p", {}, text),
        some ? this.trainer.element : h("a", { class: "button primary", href: state.link(this.project, "try") }, "Try it"),
        this.back,
      ),
    );
    this.place.querySelector("h2").focus();
  }

  async compare(after) {
    const before = this.version;
    this.version = after;
    const { examples } = await api.review(this.project, after.version, { kind: "suspicious", limit: QUEUE, thumbnails: false });
    const left = examples.filter((entry) => !kept.has(keyOf(after, entry))).length;
    replace(
      this.place,
      h("h2", { tabindex: -1 }, "Before and after"),
      beside(before, after),
      h("div", { class: "row centre" }, left > 0 && button(`${count(left, "label")} still to look at`, () => this.load().catch(tellProblem)), h("a", { class: "button primary", href: state.link(this.project, "try") }, "Try it")),
    );
    this.place.querySelector("h2").focus();
  }
}

// What is in doubt where photos may have several labels: whether one of them is there that should not be, or is missing.
function asPair(entry, has) {
  const inDoubt = entry.label || entry.suggested_label;
  const [is, not] = [`It has ${inDoubt}`, `It has not ${inDoubt}`];
  const labels = entry.label ? has.filter((label) => label !== inDoubt) : [...new Set([...has, inDoubt])];
  return { ...entry, inDoubt, labels, label: entry.label ? is : not, suggested_label: entry.label ? not : is, has: has.join(", ") || "none" };
}

function asBefore({ recipe, class_weight, preference, rejection, label_min_precision: ofLabels }) {
  return { recipe, class_weight, prefer: preference, min_precision: rejection?.min_precision ?? (ofLabels || 0) };
}
