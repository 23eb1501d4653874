// After some labels: the offer to train, and what accuracy became. Labelling goes on meanwhile.

import * as api from "../../lib/api.js";
import { count, h, replace } from "../../lib/dom.js";
import { tellProblem } from "../../lib/toast.js";
import { brief, verdict } from "../../charts/numbers.js";
import { Trainer } from "../trainer.js";

const AFTER = 10; // labels

export class Offer {
  constructor(project, resume) {
    this.project = project;
    this.trained = 0; // labels that were there when a training began
    this.labelled = 0;
    this.version = null;
    this.words = h("p", { role: "status" });
    this.trainer = new Trainer(project, {
      label: "Train now",
      before: async () => {
        this.asked = this.labelled;
        resume(); // the keys are for labelling
        this.version = await api.defaultVersion(project);
      },
      done: (version) => this.tell(version),
      failed: (error) => {
        tellProblem(error);
        resume();
      },
    });
    this.element = h("div", { class: "offer" });
  }

  leave() {
    this.trainer.leave();
  }

  count(labelled, classes) {
    this.labelled = labelled;
    const fresh = labelled - this.trained;
    if (fresh < AFTER || classes < 2 || this.trainer.isRunning) return;
    if (!this.trainer.element.isConnected) replace(this.element, this.words, this.trainer.element);
    this.words.textContent = `${count(fresh, "label")} ${this.trained ? "since" : "given"}. Train to see what they brought; you can go on meanwhile.`;
  }

  tell(version) {
    this.trained = this.asked;
    this.trainer.element.remove(); // until there are more labels
    const before = this.version;
    const words = [`Version ${version.version} recognises ${brief(version)}.`];
    if (before?.cross_validation) words.push(`Version ${before.version} recognised ${brief(before)}. ${verdict(before, version)}`);
    this.words.textContent = words.join(" ");
  }
}
