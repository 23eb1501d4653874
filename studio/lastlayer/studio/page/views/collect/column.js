// A class as a column: its photos, small, those that are on their way among them.

import * as api from "../../lib/api.js";
import { button, count, h, icon, replace } from "../../lib/dom.js";
import { fromInput } from "../../lib/files.js";
import { drawSquare, fromBase64 } from "../../lib/pictures.js";
import { tellProblem } from "../../lib/toast.js";

const PAGE = 60;
const THUMB = 112;
const BADGES = { conflict: "in two classes", failed: "not taken", present: "already there" };

export class Column {
  constructor(view, label, number) {
    this.view = view;
    this.label = label;
    this.count = number;
    this.thumbs = new Map(); // by sha256
    this.entry = null; // the one that Tab reaches
    this.token = "";
    this.grid = h("div", { class: "grid" });
    this.more = button("Show more", () => this.load().catch(tellProblem), { class: "link", hidden: true });
    this.number = h("span", { class: "count" });
    this.name = h("h2", { tabindex: -1 }, label);
    const files = h("input", {
      type: "file",
      multiple: true,
      accept: "image/*",
      class: "visually-hidden",
      "aria-label": `Add photos to ${label}`,
      on: { change: () => view.take(fromInput(files.files), this).then(() => { files.value = ""; }) },
    });
    this.element = h(
      "section",
      {
        class: "column",
        "aria-label": label,
        on: {
          dragover: () => this.element.classList.add("over"),
          dragleave: () => this.element.classList.remove("over"),
          drop: (event) => { this.element.classList.remove("over"); view.drop(event, this); },
        },
      },
      h(
        "header",
        {},
        this.name,
        this.number,
        button("", () => view.rename(this), { class: "quiet", icon: "pen", "aria-label": `Rename ${label}` }),
        button("", () => view.removeClass(this), { class: "quiet", icon: "trash", "aria-label": `Delete ${label}` }),
      ),
      this.grid,
      this.more,
      h(
        "footer",
        { class: "row" },
        h("label", { class: "button" }, files, icon("photo"), "Photos"),
        button("Camera", () => view.camera(this), { icon: "camera", "aria-label": `Camera for ${label}` }),
      ),
    );
    this.tell();
    // Photos are asked for when their column comes into sight.
    this.sight = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      this.sight.disconnect();
      if (number) this.load().catch(tellProblem);
    });
    this.sight.observe(this.element);
  }

  leave() {
    this.sight.disconnect();
  }

  focus() {
    this.element.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.element.querySelector("input").focus();
  }

  tell() {
    this.number.textContent = count(this.count, "photo");
    this.grid.classList.toggle("empty", this.count === 0 && !this.grid.children.length);
  }

  async load() {
    const known = { label: this.label, page_size: PAGE, page_token: this.token };
    const page = await api.examples(this.view.project, known);
    for (const example of page.examples) {
      const shown = this.view.several || example.labels.length === 1;
      if (shown && !this.thumbs.has(example.sha256)) this.place(this.stored(example));
    }
    this.token = page.next_page_token;
    this.more.hidden = !this.token;
    this.tell();
  }

  stored(example) {
    const picture = example.thumbnail
      ? h("img", { src: fromBase64(example.thumbnail), alt: "", draggable: "false" })
      : h("span", { class: "blank" }, "No picture was kept");
    return this.make(example.id, example.sha256, picture, example.labels);
  }

  make(name, sha, picture, labels) {
    const thumb = { sha, column: this, labels };
    thumb.element = h(
      "button",
      {
        type: "button",
        class: "thumb",
        draggable: "true",
        title: name,
        "aria-label": name,
        "aria-pressed": "false",
        tabindex: -1,
        on: {
          click: (event) => (event.shiftKey ? thumb.column.view.selection.extend(thumb) : thumb.column.view.selection.toggle(thumb)),
          focus: () => thumb.column.reach(thumb),
          keydown: (event) => thumb.column.walk(event, thumb),
          dragstart: (event) => {
            thumb.column.view.selection.toggle(thumb, true);
            event.dataTransfer.setData("application/x-lastlayer", "moved");
            event.dataTransfer.effectAllowed = "move";
          },
        },
      },
      picture,
    );
    return thumb;
  }

  place(thumb) {
    this.thumbs.set(thumb.sha, thumb);
    this.grid.append(thumb.element);
    if (!this.entry) this.reach(thumb);
  }

  // The photos as they are seen, without those that are on their way or deleted.
  shown() {
    const known = new Map([...this.thumbs.values()].map((thumb) => [thumb.element, thumb]));
    return [...this.grid.children].map((element) => known.get(element)).filter((thumb) => thumb && !thumb.element.hidden);
  }

  // One photo of a class is reached by Tab, the others from there by the arrows.
  reach(thumb) {
    if (this.entry) this.entry.element.tabIndex = -1;
    this.entry = thumb ?? null;
    if (thumb) thumb.element.tabIndex = 0;
  }

  walk(event, thumb) {
    const thumbs = this.shown();
    const at = thumbs.indexOf(thumb);
    const columns = getComputedStyle(this.grid).gridTemplateColumns.split(" ").length;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: thumbs.length - 1 }[event.key];
    if (!thumbs[to]) return;
    event.preventDefault();
    thumbs[to].element.focus();
    if (event.shiftKey) this.view.selection.toggle(thumbs[to], true);
  }

  // A photo that is on its way: shown at once, out of the file itself.
  expect(item) {
    const canvas = h("canvas", { width: THUMB, height: THUMB });
    item.waiting = h("div", { class: "thumb waiting", title: item.name }, canvas);
    item.started = () => item.waiting.classList.add("sending");
    this.grid.append(item.waiting);
    item.drawn = this.draw(item, canvas);
    this.tell();
  }

  async draw(item, canvas) {
    try {
      item.blob ??= item.file.read ? await item.file.read() : item.file;
      await drawSquare(canvas, item.blob);
    } catch {
      canvas.classList.add("blank");
    }
  }

  arrived(item, outcome) {
    const canvas = item.waiting.firstChild;
    if (outcome.status === "added") {
      const thumb = this.make(item.name, outcome.sha256, canvas, outcome.labels.length ? outcome.labels : [outcome.label]);
      this.thumbs.set(thumb.sha, thumb);
      item.waiting.replaceWith(thumb.element);
      if (!this.entry) this.reach(thumb);
      this.count += 1;
    } else if (outcome.status === "present" && this.thumbs.has(outcome.sha256)) {
      const twin = this.thumbs.get(outcome.sha256).element;
      item.waiting.remove();
      twin.classList.add("seen");
      setTimeout(() => twin.classList.remove("seen"), 2000);
    } else {
      const words = outcome.error?.detail ?? outcome.conflicting_labels?.join(", ");
      item.waiting.className = `thumb ${outcome.status}`;
      item.waiting.title = words ? `${item.name}: ${words}` : item.name;
      replace(item.waiting, canvas, h("span", { class: "badge" }, BADGES[outcome.status]));
      setTimeout(() => { item.waiting.remove(); this.tell(); }, 12000);
    }
    item.blob = null;
    this.tell();
  }

  hide(thumb, hidden) {
    thumb.element.hidden = hidden;
    if (this.entry === thumb || !this.entry) this.reach(this.shown()[0]);
    this.count += hidden ? -1 : 1;
    this.tell();
  }

  give(thumb, other) {
    this.thumbs.delete(thumb.sha);
    this.count -= 1;
    other.count += 1;
    thumb.column = other;
    if (this.entry === thumb) this.reach(this.shown()[0]);
    other.place(thumb);
    this.tell();
    other.tell();
  }
}
