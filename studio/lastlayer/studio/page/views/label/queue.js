// The photos to label next: asked for ahead, none twice, and none that another tab has done.

import * as api from "../../lib/api.js";

const KEPT = 3; // of the next ones stay whatever is labelled
const BATCH = 12;
const FEW = 6; // with so many left, the next are asked for
const OLD = 5; // and so are they after so many labels
const MOST = 200; // in one answer
const CROWD = 3; // where others label, too: one of so many suggestions is taken, so that not all take the same

export class Queue {
  constructor(project, changed) {
    this.project = project;
    this.changed = changed;
    this.entries = []; // the first is being looked at
    this.skipped = new Map(); // by sha256
    this.gone = new Set(); // labelled, though an answer that is on its way may still suggest them
    this.classes = [];
    this.left = 0;
    this.stale = 0;
    this.running = 0;
    this.decisions = 0;
    this.asked = 0; // how many decisions had been made
    this.crowded = false;
    this.exhausted = false; // all that may be suggested were, when last asked for
    this.others = false; // those that are not suggested, too: near duplicates of what has a label
    this.tabs = new BroadcastChannel(`lastlayer.pool.${project}`);
    this.tabs.onmessage = ({ data }) => this.heard(data);
  }

  // What is on its way arrives, and other tabs are told of it.
  leave() {
    this.changed = () => {};
    this.isLeft = true;
    if (!this.running) this.tabs.close();
  }

  get current() {
    return this.entries[0] ?? null;
  }

  has(sha) {
    return this.gone.has(sha) || this.skipped.has(sha) || this.entries.some((entry) => entry.example.sha256 === sha);
  }

  // One question at a time. What follows the next few is chosen anew, by the labels of the moment.
  fetch() {
    this.asking ??= this.ask().finally(() => { this.asking = null; });
    return this.asking;
  }

  async ask() {
    const { decisions, running } = this;
    this.asked = decisions;
    const number = Math.min(MOST, KEPT + this.skipped.size + running + BATCH * (this.crowded ? CROWD : 1));
    const found = await api.next(this.project, number);
    this.exhausted = found.examples.length < number;
    if (!running && !this.running && decisions === this.decisions) this.left = found.pool_count - found.stale_count;
    this.stale = found.stale_count;
    for (const label of found.classes) this.learn(label);
    this.entries = this.entries.slice(0, KEPT);
    if (this.others && this.exhausted) found.examples.push(...(await this.rest()));
    // The guess for the photo that is being looked at stays: Enter may be on its way.
    const guesses = new Map(found.examples.map((entry) => [entry.example.sha256, entry.scores]));
    for (const entry of this.entries.slice(1)) entry.scores = guesses.get(entry.example.sha256) ?? entry.scores;
    const fresh = found.examples.filter((entry) => !this.has(entry.example.sha256));
    this.entries.push(...(this.crowded ? some(fresh, BATCH) : fresh));
  }

  async rest() {
    const { examples } = await api.examples(this.project, { pool: true, page_size: 1000, thumbnails: false });
    const wanted = examples.filter((example) => !example.stale && !this.has(example.sha256)).slice(0, BATCH);
    const found = wanted.length ? await api.chosen(this.project, wanted.map((example) => example.sha256)) : [];
    return found.map((example) => ({ example, scores: [] }));
  }

  learn(label) {
    if (!this.classes.includes(label)) this.classes.push(label);
  }

  // Takes the photo that is being looked at out, and sees to it that there are more.
  shift() {
    this.decisions += 1;
    return this.entries.shift();
  }

  get isDue() {
    return (this.entries.length < FEW && !this.exhausted) || this.decisions - this.asked >= OLD;
  }

  label(entry, label) {
    this.learn(label);
    this.gone.add(entry.example.sha256);
    this.left -= 1;
    return this.follow(entry, async () => {
      const { taken } = await api.label(this.project, [entry.example.sha256], label);
      if (taken.length) this.crowded = true;
      this.tabs.postMessage({ gone: entry.example.sha256, label });
      return taken[0] ?? null;
    });
  }

  // `ours` becomes whether the label was stored and is ours to take back.
  unlabel(entry, label, ours) {
    return this.follow(entry, async () => {
      if (!(await ours)) return;
      const { count } = await api.unlabel(this.project, [entry.example.sha256], label);
      if (count) this.tabs.postMessage({ back: entry.example.sha256 });
    });
  }

  // What is done to one photo is done in its order; other photos do not wait for it.
  follow(entry, work) {
    this.running += 1;
    const done = (entry.work ?? Promise.resolve()).then(work).finally(() => {
      this.running -= 1;
      if (this.isLeft && !this.running) this.tabs.close();
    });
    entry.work = done.catch(() => {});
    return done;
  }

  skip(entry) {
    this.skipped.set(entry.example.sha256, entry);
  }

  // At `place` 0 it is the one to look at.
  putBack(entry, place) {
    const sha = entry.example.sha256;
    this.decisions += 1;
    this.exhausted = false;
    this.skipped.delete(sha);
    if (this.gone.delete(sha)) this.left += 1;
    if (!this.entries.includes(entry)) this.entries.splice(place, 0, entry);
  }

  remove(entry) {
    this.entries = this.entries.filter((other) => other !== entry);
    this.gone.add(entry.example.sha256);
    this.left -= 1;
  }

  // The skipped ones are looked at again.
  again() {
    this.entries.push(...this.skipped.values());
    this.skipped.clear();
  }

  // Another tab of this browser labelled a photo, or took that back.
  heard({ gone, back, label }) {
    this.crowded = true;
    if (label) this.learn(label);
    if (back) {
      this.exhausted = false;
      if (this.gone.delete(back)) this.left += 1;
    } else if (!this.gone.has(gone)) {
      this.gone.add(gone);
      this.skipped.delete(gone);
      this.entries = this.entries.filter((entry) => entry.example.sha256 !== gone);
      this.left -= 1;
    }
    this.changed();
  }
}

function some(entries, most) {
  const drawn = entries.map((entry) => [Math.random(), entry]).sort(([one], [other]) => one - other);
  return drawn.slice(0, most).map(([, entry]) => entry);
}
