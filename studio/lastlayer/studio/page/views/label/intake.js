// Photos on their way into the pool: from a drop or a choice, whatever folder they lie in.

import { readPhotos, reasonOf, showAdding, tellAdded } from "../../lib/adding.js";
import { h, icon } from "../../lib/dom.js";
import { fromDrop, fromInput } from "../../lib/files.js";
import { Upload } from "../../lib/upload.js";

const BEGIN = 24; // photos

export class Intake {
  constructor(project, root, arrived) {
    this.project = project;
    this.arrived = arrived;
    this.upload = null;
    this.element = h("div", { class: "uploading", hidden: true });
    root.addEventListener("dragover", () => root.classList.add("over"));
    root.addEventListener("dragleave", () => root.classList.remove("over"));
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      root.classList.remove("over");
      this.take(fromDrop(event.dataTransfer));
    });
  }

  picker(label, properties, style = "") {
    const input = h("input", {
      type: "file",
      class: "visually-hidden",
      "aria-label": label,
      ...properties,
      on: { change: () => this.take(fromInput(input.files)).then(() => { input.value = ""; }) },
    });
    return h("label", { class: `button ${style}` }, input, icon("plus"), label);
  }

  get photos() {
    return this.picker("Add photos", { multiple: true, accept: "image/*" });
  }

  get welcome() {
    return h(
      "section",
      { class: "drop hero" },
      icon("photo"),
      h("h2", {}, "Drop photos that have no label yet"),
      h("p", {}, "They wait here, in the pool. You are asked for those first that teach the model most, one by one, and give each its class by one key."),
      h("div", { class: "row centre" }, this.picker("Choose photos", { multiple: true, accept: "image/*" }, "primary"), this.picker("Choose a folder", { webkitdirectory: true })),
    );
  }

  async take(coming) {
    const photos = await readPhotos(coming);
    if (photos.length) await this.send(photos.map((photo) => ({ ...photo, label: null })));
  }

  async send(photos) {
    const fresh = !this.upload;
    if (fresh) {
      this.rejected = [];
      this.upload = new Upload(this.project, (item, outcome) => this.told(item, outcome));
    }
    this.upload.add(photos);
    showAdding(this.element, this.upload);
    if (!fresh) return;
    const counts = await this.upload.finished;
    this.upload = null;
    this.element.hidden = true;
    tellAdded(counts, this.rejected, " to the pool");
    await this.arrived();
  }

  told(item, outcome) {
    item.blob = null; // it is not needed any more
    if (outcome.status === "failed") this.rejected.push(reasonOf(outcome));
    showAdding(this.element, this.upload);
    // With a large folder, one can begin before all have come.
    if (outcome.status === "added" && this.upload.counts.added === BEGIN) this.arrived();
  }
}
