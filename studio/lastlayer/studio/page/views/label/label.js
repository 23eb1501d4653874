// Label: photos of the pool, one by one, those first that teach the model most. One key gives each its class.

import * as api from "../../lib/api.js";
import { ask } from "../../lib/dialog.js";
import { button, count, h, icon, percent, replace, shortName } from "../../lib/dom.js";
import { fromBase64 } from "../../lib/pictures.js";
import * as state from "../../lib/state.js";
import { settle, tellProblem, toast } from "../../lib/toast.js";
import { alike } from "../alike.js";
import { Choices } from "./choices.js";
import { Intake } from "./intake.js";
import { explain, placeOf } from "./keys.js";
import { Offer } from "./offer.js";
import { Queue } from "./queue.js";

const STRIP = 8;
const MAX_LABEL = 256;

export async function show(root, { project, refresh }) {
  await settle();
  const view = new Labelling(root, project, refresh);
  await view.load();
  return () => view.leave();
}

class Labelling {
  constructor(root, project, refresh) {
    Object.assign(this, { root, project, refresh });
    this.done = []; // what was decided, to be taken back
    this.labelled = 0;
    this.queue = new Queue(project, () => this.present());
    this.intake = new Intake(project, root, () => this.load().catch(tellProblem));
    this.choices = new Choices((label) => this.decide(label));
    this.offer = new Offer(project, () => this.heading.focus());
    this.summary = h("p", { class: "summary", role: "status" });
    this.said = h("p", { class: "visually-hidden", role: "status" });
    this.place = h("div");
    this.build();
    this.keys = (event) => this.key(event);
    addEventListener("keydown", this.keys);
  }

  // What a photo changes is filled in; the elements stay where they are, so that nothing moves under a finger.
  build() {
    this.photo = h("div", { class: "photo" });
    this.file = h("p", { class: "hint file" });
    this.kept = h("p", { class: "hint file" });
    this.strip = h("ol", { class: "strip", "aria-hidden": "true" });
    this.heading = h("h2", { tabindex: -1 });
    this.sure = h("p", { class: "hint how-sure" });
    this.back = h("button", { type: "button", disabled: true, on: { click: () => this.undo() } }, h("kbd", {}, "Z"), "Undo");
    this.working = h(
      "div",
      { class: "labelling" },
      h(
        "div",
        { class: "evidence" },
        this.photo,
        h("div", { class: "row spread nowrap about" }, h("div", {}, this.file, this.kept), button("Images like this", () => alike(this.project, { example: this.queue.current.example }), { class: "quiet", icon: "alike" })),
        this.strip,
      ),
      h(
        "div",
        { class: "judgement" },
        h("div", {}, this.heading, this.sure),
        this.choices.element,
        h(
          "div",
          { class: "row" },
          h("button", { type: "button", on: { click: () => this.name() } }, h("kbd", {}, "N"), "New class…"),
          h("button", { type: "button", on: { click: () => this.skip() } }, h("kbd", {}, "S"), "Skip"),
          this.back,
        ),
        this.offer.element,
      ),
    );
  }

  leave() {
    this.left = true;
    removeEventListener("keydown", this.keys);
    this.queue.leave();
    this.offer.leave();
  }

  async load() {
    const dataset = await api.dataset(this.project);
    const waits = (dataset?.pool_count ?? 0) > 0;
    if (waits) await this.queue.fetch();
    if (this.left) return;
    replace(
      this.root,
      h(
        "div",
        { class: "title" },
        h("h1", {}, "Label"),
        this.summary,
        waits && h("div", { class: "row tools" }, this.intake.photos, h("button", { type: "button", class: "quiet", "aria-label": "Keys", on: { click: explain } }, h("kbd", {}, "?"), "Keys")),
      ),
      this.said,
      this.intake.element,
      this.queue.stale > 0 && h("p", { class: "notice" }, `${count(this.queue.stale, "photo")} of the pool must be added again: another network looked at ${this.queue.stale === 1 ? "it" : "them"}.`),
      this.place,
    );
    if (waits) this.present();
    else replace(this.place, this.intake.welcome);
    await this.refresh().catch(tellProblem);
  }

  present(words = "") {
    if (this.left) return;
    this.summary.textContent = `${this.labelled.toLocaleString("en")} labelled, ${this.queue.left.toLocaleString("en")} left`;
    this.back.disabled = !this.done.length;
    this.offer.count(this.labelled, this.queue.classes.length);
    const entry = this.queue.current;
    if (!entry) {
      this.said.textContent = words;
      this.dry();
      return;
    }
    if (this.queue.isDue) this.queue.fetch().then(() => this.showStrip(), tellProblem);
    if (this.place.firstChild !== this.working) replace(this.place, this.working);
    const { example, scores } = entry;
    const [guess] = scores;
    if (this.shown !== entry) {
      this.shown = entry;
      this.file.textContent = shortName(example.id);
      this.file.title = example.id;
      replace(this.photo, picture(example, this.kept));
      this.heading.textContent = guess ? `Is it ${guess.label}?` : "What is it?";
      replace(this.sure, guess ? [`The guess is ${percent(guess.score)} sure. `, h("kbd", {}, "Enter"), h("span", { class: "of-keys" }, " takes it.")] : this.queue.classes.length > 1 ? "There is no guess for it." : "It guesses once there are two classes.");
    }
    this.choices.show(this.queue.classes, scores);
    this.showStrip();
    this.said.textContent = [words, guess ? `Guess: ${guess.label}, ${percent(guess.score)}` : "No guess"].filter(Boolean).join(". ");
    if (!document.querySelector("dialog")) this.heading.focus({ preventScroll: true });
  }

  showStrip() {
    const following = this.queue.entries.slice(1, 1 + STRIP);
    replace(this.strip, following.map(({ example }) => h("li", {}, example.thumbnail ? h("img", { src: fromBase64(example.thumbnail), alt: "" }) : null)));
  }

  // Nothing is at hand: asked for again once all that was given has arrived, and then it is the end.
  async dry() {
    if (this.drying) return;
    this.drying = true;
    if (this.place.firstChild !== this.working) replace(this.place, h("p", { class: "waiting" }, "…"));
    try {
      await Promise.all(this.done.map((entry) => entry.work));
      await this.queue.fetch();
      if (!this.queue.current) await this.queue.fetch(); // that one may have been asked earlier
      if (this.left) return;
      if (this.queue.current) this.present();
      else this.finish();
    } catch (error) {
      tellProblem(error);
      if (!this.left) replace(this.place, h("section", { class: "hero" }, h("p", {}, error.message), button("Try again", () => this.present(), { class: "primary" })));
    } finally {
      this.drying = false;
    }
  }

  finish() {
    const { skipped, left, classes } = this.queue;
    const others = left - skipped.size;
    this.shown = null;
    replace(
      this.place,
      h(
        "section",
        { class: "hero" },
        icon("check"),
        h("h2", { tabindex: -1 }, skipped.size ? `All but ${count(skipped.size, "photo")} that you skipped` : "That was all of the pool"),
        others > 0 && h("p", {}, `${count(others, "photo")} more ${others === 1 ? "looks" : "look"} like photos that have a label, and would teach the model little.`),
        h(
          "div",
          { class: "row centre" },
          skipped.size > 0 && button("Look at them again", () => { this.queue.again(); this.present(); }, { class: "primary" }),
          others > 0 && button("Label them, too", () => { this.queue.others = true; this.present(); }),
          this.intake.photos,
          classes.length > 1 && h("a", { class: skipped.size ? "button" : "button primary", href: state.link(this.project, "train") }, "Train", icon("arrow")),
          this.done.length > 0 && button("Undo", () => this.undo(), { class: "quiet" }),
        ),
      ),
    );
    this.place.querySelector("h2").focus();
  }

  key(event) {
    const typing = event.target.closest?.("input:not([type=file]), select, textarea, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || this.left) return;
    const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const label = this.queue.classes[placeOf(pressed)];
    if (pressed === "?") explain();
    else if (pressed === "z" || pressed === "Backspace") this.undo();
    else if (!this.queue.current) return;
    else if (pressed === "Enter" && !event.target.closest?.("button, a, label, summary")) this.accept();
    else if (label !== undefined) this.decide(label);
    else if (pressed === "n") this.name();
    else if (pressed === "s" || pressed === "ArrowRight") this.skip();
    else return;
    event.preventDefault();
  }

  accept() {
    const [guess] = this.queue.current.scores;
    if (guess) this.decide(guess.label);
  }

  async name() {
    const entry = this.queue.current;
    const check = (given) => ([...given].length > MAX_LABEL ? `A class has at most ${MAX_LABEL} characters.` : "");
    const label = await ask("What is it?", { label: "Class", action: "Give it", hint: "A new name makes a new class.", check, known: this.queue.classes });
    if (label && entry === this.queue.current) this.decide(label);
    else this.heading.focus();
  }

  decide(label) {
    const entry = this.queue.shift();
    if (!entry) return;
    const done = { entry, label };
    this.done.push(done);
    this.labelled += 1;
    done.work = this.queue.label(entry, label).then(
      (taken) => this.answered(done, taken),
      (error) => this.failed(done, error),
    );
    this.present(`${label} given`);
  }

  // Returns whether the label is ours to take back.
  answered(done, taken) {
    if (!taken) return true;
    this.forget(done);
    if (done.undone) this.queue.remove(done.entry);
    const other = taken.labels.join(", ");
    if (other !== done.label) {
      const change = () => api.relabel(this.project, [taken.sha256], done.label).catch(tellProblem);
      toast(`${shortName(taken.id)} was labelled ${other} by somebody else meanwhile. That stays.`, { ms: 15000, actionLabel: `Make it ${done.label}`, action: change });
    }
    this.present();
    return false;
  }

  // It comes next, rather than now: the key for the photo that is seen may be on its way.
  failed(done, error) {
    if (!done.undone) {
      this.forget(done);
      this.queue.putBack(done.entry, 1);
    }
    if (this.left) tellProblem(error);
    else {
      this.unheard?.();
      this.unheard = toast(`${shortName(done.entry.example.id)} is not labelled, and comes again: ${error.message}`, { kind: "bad", ms: 12000 });
      this.present();
    }
    return false;
  }

  forget(done) {
    const place = this.done.indexOf(done);
    if (place < 0) return;
    this.done.splice(place, 1);
    this.labelled -= 1;
  }

  skip() {
    const entry = this.queue.shift();
    if (!entry) return;
    this.queue.skip(entry);
    this.done.push({ entry, label: null, work: Promise.resolve(false) });
    this.present("Skipped");
  }

  undo() {
    const done = this.done.pop();
    if (!done) return;
    done.undone = true;
    const { entry, label } = done;
    this.queue.putBack(entry, 0);
    if (label !== null) {
      this.labelled -= 1;
      this.queue.unlabel(entry, label, done.work).catch((error) => {
        tellProblem(error);
        this.queue.remove(entry); // it still has its label
        this.labelled += 1;
        this.present();
      });
    }
    this.present(label === null ? "Not skipped any more" : `${label} taken back`);
  }
}

// As large as there is room for, and told how small it is in truth.
function picture(example, kept) {
  const from = example.source === "captured" ? "it came to be predicted" : "";
  kept.textContent = from;
  if (!example.thumbnail) {
    return h("p", { class: "blank" }, "No picture of it was kept, only its features. Its name may help, and images like it.");
  }
  const tell = ({ target }) => { kept.textContent = [from, `kept at ${target.naturalWidth} × ${target.naturalHeight}`].filter(Boolean).join(", "); };
  return h("img", { src: fromBase64(example.thumbnail), alt: example.id, on: { load: tell } });
}
