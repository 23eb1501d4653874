// The button that trains, with its progress and the way out of it.

import * as api from "../lib/api.js";
import { button, h, percent } from "../lib/dom.js";
import { settle } from "../lib/toast.js";

export class Trainer {
  constructor(project, { label = "Train", options = () => ({}), before = async () => {}, done, failed }) {
    Object.assign(this, { project, options, before, done, failed });
    this.start = button(label, () => this.run(), { class: "primary big", id: "train" });
    this.stop = button("Cancel", () => this.abort.abort(), { class: "quiet" });
    this.meter = h("progress", { max: 1, value: 0, "aria-label": "Training" });
    this.words = h("p", { role: "status" });
    this.state = h("div", { class: "training", hidden: true }, this.words, h("div", { class: "row" }, this.meter, this.stop));
    this.element = h("div", { class: "trainer" }, this.start, this.state);
  }

  leave() {
    this.abort?.abort();
  }

  get isRunning() {
    return !this.state.hidden;
  }

  async run() {
    this.abort = new AbortController();
    this.start.hidden = true;
    this.state.hidden = false;
    this.tell({ message: "beginning", fraction: 0 });
    this.stop.focus();
    try {
      await settle();
      await this.before();
      const version = await api.train(this.project, this.options(), (progress) => this.tell(progress), this.abort.signal);
      this.rest();
      await this.done(version);
    } catch (error) {
      this.rest();
      this.start.focus();
      if (error.name !== "AbortError") this.failed(error);
    }
  }

  rest() {
    this.start.hidden = false;
    this.state.hidden = true;
  }

  tell({ message, fraction }) {
    this.words.textContent = `${message[0].toUpperCase()}${message.slice(1)} · ${percent(fraction)}`;
    this.meter.value = fraction;
  }
}
