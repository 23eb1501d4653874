// The photo of a point, beside the pointer. Thumbnails are fetched some at a time, and kept.

import * as api from "../../lib/api.js";
import { h, replace } from "../../lib/dom.js";
import { fromBase64 } from "../../lib/pictures.js";

const WAIT_MS = 50;
const KEPT = 1000;

export class Thumbnails {
  constructor(project) {
    this.project = project;
    this.known = new Map(); // promises by sha256
    this.wanted = new Map();
  }

  // Resolves to the example with its thumbnail, or to null where it is not there any more.
  get(sha) {
    if (!this.known.has(sha)) {
      if (this.known.size >= KEPT) this.known.delete(this.known.keys().next().value);
      this.known.set(sha, new Promise((resolve, reject) => this.wanted.set(sha, { resolve, reject })));
      this.timer ??= setTimeout(() => this.fetch(), WAIT_MS);
    }
    return this.known.get(sha);
  }

  async fetch() {
    const wanted = this.wanted;
    this.wanted = new Map();
    this.timer = null;
    try {
      const examples = await api.chosen(this.project, [...wanted.keys()]);
      const found = new Map(examples.map((example) => [example.sha256, example]));
      for (const [sha, { resolve }] of wanted) resolve(found.get(sha) ?? null);
    } catch (error) {
      for (const [sha, { reject }] of wanted) {
        this.known.delete(sha); // asked for again where it is wanted again
        reject(error);
      }
    }
  }
}

export function words(point) {
  if (!point.labels.length) return "no label";
  if (point.labels.length > 1) return `in ${point.labels.join(" and ")}`;
  return point.suspicious ? `${point.labels[0]}, or rather ${point.suggested_label}?` : point.labels[0];
}

export class Tip {
  constructor(thumbnails) {
    this.thumbnails = thumbnails;
    this.element = h("div", { class: "tip", hidden: true, role: "status" });
  }

  leave() {
    clearTimeout(this.timer);
  }

  show(point, place, width) {
    this.point = point;
    clearTimeout(this.timer);
    this.element.hidden = !point;
    if (!point) return;
    const picture = h("div", { class: "picture" });
    replace(this.element, picture, h("span", {}, words(point)));
    this.element.style.setProperty("--x", `${place[0]}px`);
    this.element.style.setProperty("--y", `${place[1]}px`);
    this.element.classList.toggle("left", place[0] > width / 2);
    // Not for each point that the pointer passes over.
    this.timer = setTimeout(async () => {
      const example = await this.thumbnails.get(point.sha256).catch(() => null);
      if (this.point === point && example?.thumbnail) replace(picture, h("img", { src: fromBase64(example.thumbnail), alt: "" }));
    }, WAIT_MS);
  }
}
