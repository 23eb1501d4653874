// Adds photos to a dataset, or to its pool where their label is null, a few at a time; each is told of as it is answered.

import * as api from "./api.js";

const AT_ONCE = 4;
const MAX_TRIES = 4;
const MAX_BUSY_TRIES = 60; // a minute or more: others will have been served by then

export class Upload {
  constructor(project, tell) {
    this.project = project;
    this.tell = tell; // (item, outcome) for each; (null, null) after each change of the counts
    this.queue = [];
    this.total = 0;
    this.done = 0;
    this.counts = { added: 0, present: 0, conflict: 0, failed: 0 };
    this.running = 0;
    this.abort = new AbortController();
    this.finished = new Promise((resolve) => { this.resolve = resolve; });
  }

  add(items) {
    this.queue.push(...items);
    this.total += items.length;
    while (this.running < AT_ONCE && this.queue.length) this.work();
  }

  cancel() {
    this.queue.length = 0;
    this.total = this.done + this.running;
    this.abort.abort();
  }

  async work() {
    this.running += 1;
    for (let item; (item = this.queue.shift()); ) {
      let outcome;
      item.started?.();
      try {
        outcome = await this.send(item);
      } catch (error) {
        outcome = { status: "failed", error: { detail: error.message, reason: error.reason ?? "" }, label: item.label };
      }
      this.done += 1;
      this.counts[outcome.status] += 1;
      this.tell(item, outcome);
    }
    this.running -= 1;
    if (!this.running) this.resolve(this.counts);
  }

  async send(item) {
    item.blob ??= item.file.read ? await item.file.read() : item.file;
    for (let tries = 1; ; tries += 1) {
      try {
        return await api.add(this.project, item.label, item.blob, item.name, this.abort.signal);
      } catch (error) {
        const most = error.reason === "OVERLOADED" ? MAX_BUSY_TRIES : MAX_TRIES;
        if (tries >= most || this.abort.signal.aborted || !["UNAVAILABLE", "RESOURCE_EXHAUSTED"].includes(error.code)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000 * (error.retryAfterS ?? Math.min(tries, 5))));
      }
    }
  }
}
