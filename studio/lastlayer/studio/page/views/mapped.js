// A stored photo, with its activation map over it where that is asked for.

import * as api from "../lib/api.js";
import { h } from "../lib/dom.js";
import { drawMap, fromBase64, toBlob } from "../lib/pictures.js";

export class Mapped {
  constructor(model, version, example, label, alt = example.id) {
    Object.assign(this, { model, version, example, label });
    this.picture = example.thumbnail
      ? h("img", { src: fromBase64(example.thumbnail), alt })
      : h("span", { class: "blank", role: "img", "aria-label": `${alt}: no picture was kept` });
    this.canvas = h("canvas", { class: "map", "aria-hidden": "true", hidden: true });
    this.element = h("div", { class: "mapped" }, this.picture, this.canvas);
  }

  // Returns why there is no map, empty where there is one or none is asked for.
  async show(on) {
    this.canvas.hidden = !on;
    if (!on || this.drawn || !this.example.thumbnail) return "";
    this.drawn = true;
    try {
      const photo = toBlob(this.example.thumbnail);
      const found = await api.explain(this.model, photo, { version: this.version, label: this.label });
      drawMap(this.canvas, found, 160 * ratio(this.picture), 160);
      return "";
    } catch (error) {
      this.canvas.hidden = true;
      return error.message;
    }
  }
}

function ratio(picture) {
  return picture.naturalHeight ? picture.naturalWidth / picture.naturalHeight : 1;
}
