// Try: a photo dropped or pasted, or the camera: what it is, how sure that is, and where in the picture it comes from.

import * as api from "../lib/api.js";
import { Bars } from "../charts/bars.js";
import * as camera from "../lib/camera.js";
import { button, h, icon, percent, replace } from "../lib/dom.js";
import { fromDrop, fromInput } from "../lib/files.js";
import { drawMap, drawSquare, shrunk } from "../lib/pictures.js";
import * as state from "../lib/state.js";
import { alike } from "./alike.js";
import { tellProblem } from "../lib/toast.js";

const LIVE_SIDE = 320; // more than the network sees
const SIDE = 1024;
const REMEMBERED = 12;

export async function show(root, { project, access }) {
  const model = await api.model(project);
  if (!model) {
    replace(
      root,
      h("div", { class: "title" }, h("h1", {}, "Try")),
      h("section", { class: "hero" }, icon("camera"), h("h2", {}, "Nothing to try yet"), h("p", {}, access.admin ? "Collect photos and train on them first. Then show the model something new." : "There is no model of this name."), access.admin && h("a", { class: "button primary big", href: state.link(project, "collect") }, "Collect")),
    );
    return null;
  }
  const view = new Try(root, project, model.classes, access.admin);
  return () => view.leave();
}

class Try {
  constructor(root, project, classes, admin) {
    this.project = project;
    this.photo = null; // what is sent, so that the switch can ask for its map
    this.bars = new Bars();
    this.video = h("video", { hidden: true, playsinline: true, "aria-label": "Camera", on: { resize: () => this.video.hidden || this.frame(this.video.videoWidth, this.video.videoHeight) } });
    this.still = h("canvas", { hidden: true, role: "img", "aria-label": "Photo" });
    this.map = h("canvas", { class: "map", hidden: true, "aria-hidden": "true" });
    this.answer = h("p", { class: "answer", role: "status" });
    this.guess = h("p", { class: "guess" });
    this.sure = h("p", { class: "hint" }, "What it is, and how sure that is, will be here.");
    this.speed = h("p", { class: "hint speed" });
    this.recent = h("ul", { class: "recent", "aria-label": "Tried before" });
    this.maps = h("input", { type: "checkbox", id: "maps", on: { change: () => this.again() } });
    this.alike = button("Images like this", () => alike(project, { photo: this.photo }), { icon: "alike", hidden: true, id: "alike" });
    this.admin = admin; // who may only predict sees nothing of what is stored
    this.live = button("Use the camera", () => (this.video.srcObject ? this.closeCamera() : this.openCamera()), { class: "primary", icon: "camera", id: "live" });
    this.bars.lay(classes.map((label) => ({ label })));
    const files = h("input", { type: "file", multiple: true, accept: "image/*", class: "visually-hidden", "aria-label": "Choose photos to try", on: { change: () => this.take(fromInput(files.files)).then(() => { files.value = ""; }) } });
    this.invite = h("div", { class: "invite" }, icon("photo"), h("p", {}, "Drop a photo here, paste one, or hold a thing to the camera"));
    this.seen = h("div", { class: "seen", hidden: true }, this.still, this.video, this.map);
    this.stage = h(
      "div",
      { class: "stage", on: { dragover: () => this.stage.classList.add("over"), dragleave: () => this.stage.classList.remove("over") } },
      this.invite,
      this.seen,
    );
    root.addEventListener("drop", (event) => { event.preventDefault(); this.stage.classList.remove("over"); this.take(fromDrop(event.dataTransfer)); });
    this.paste = (event) => {
      const pasted = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
      if (pasted.length) this.each(pasted.map((file) => ({ file, name: file.name || "pasted" })));
    };
    addEventListener("paste", this.paste);
    replace(
      root,
      h("div", { class: "title" }, h("h1", {}, "Try")),
      h(
        "div",
        { class: "trying" },
        this.stage,
        h("div", { class: "said" }, this.answer, this.guess, this.sure, this.bars.element, this.speed),
        h("div", { class: "row controls" }, this.live, h("label", { class: "button" }, files, icon("photo"), "Choose photos"), h("label", { class: "switch" }, this.maps, " Show where it looks"), this.alike),
      ),
      this.recent,
    );
  }

  leave() {
    this.left = true;
    removeEventListener("paste", this.paste);
    this.closeCamera();
    this.abort?.abort();
  }

  async take(coming) {
    try {
      const { photos } = await coming;
      await this.each(photos);
    } catch (error) {
      tellProblem(error);
    }
  }

  async each(photos) {
    if (photos.length) this.closeCamera();
    for (const { file, name } of photos) {
      try {
        const blob = file.read ? await file.read() : file;
        this.remember(await this.one(blob, name), blob, name);
      } catch (error) {
        if (error.name === "AbortError") return; // something else is shown now
        this.tellNothing();
        tellProblem(error);
      }
    }
  }

  async one(blob, name) {
    this.abort?.abort();
    this.abort = new AbortController();
    const picture = await createImageBitmap(blob).catch(() => null); // null where only the services know the format
    this.invite.hidden = true;
    this.still.hidden = !picture;
    this.map.hidden = true;
    this.seen.hidden = !picture;
    if (picture) {
      this.frame(picture.width, picture.height);
      const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
      this.still.width = Math.round(picture.width * scale);
      this.still.height = Math.round(picture.height * scale);
      this.still.getContext("2d").drawImage(picture, 0, 0, this.still.width, this.still.height);
      this.still.setAttribute("aria-label", name);
    }
    this.photo = blob;
    this.alike.hidden = !this.admin;
    return this.ask(blob, this.abort.signal);
  }

  // As large as there is room for, in the picture's own shape, so that the map lies on it exactly.
  frame(width, height) {
    this.seen.hidden = false;
    this.seen.style.setProperty("--ratio", String(width / height));
  }

  async again() {
    this.map.hidden = true;
    if (this.photo && !this.video.srcObject) await this.ask(this.photo, this.abort?.signal).catch(tellProblem);
  }

  async ask(blob, signal) {
    if (!this.maps.checked) {
      this.map.hidden = true;
      const prediction = await api.predict(this.project, blob, {}, signal);
      if (prediction.error) throw new Error(prediction.error.detail);
      this.tell(prediction);
      return prediction;
    }
    let found;
    try {
      found = await api.explain(this.project, blob, {}, signal);
    } catch (error) {
      if (error.reason !== "NOT_EXPLAINABLE") throw error;
      this.maps.checked = false;
      tellProblem(error);
      return this.ask(blob, signal);
    }
    const shown = this.video.srcObject ? this.video : this.still;
    const width = shown.videoWidth || shown.width;
    const height = shown.videoHeight || shown.height;
    if (this.maps.checked && !shown.hidden) {
      drawMap(this.map, found, Math.round((320 * width) / Math.max(width, height)), Math.round((320 * height) / Math.max(width, height)));
      this.map.hidden = false;
    }
    this.tell(found.prediction);
    return found.prediction;
  }

  tell(prediction) {
    const { rejected, score, unfamiliar } = prediction;
    const label = named(prediction);
    const said = rejected ? "unknown" : label;
    if (this.answer.textContent !== said) this.answer.textContent = said; // read out only where it changes
    this.answer.classList.toggle("unknown", rejected);
    this.guess.textContent = rejected ? `Best guess: ${label}, ${percent(score)}` : "";
    if (prediction.multi_label && !rejected) this.sure.textContent = "Each label by itself; those that are coloured reach their threshold.";
    else if (rejected) this.sure.textContent = unfamiliar ? "It is unlike the photos of the training." : "That is not sure enough for an answer.";
    else this.sure.textContent = `${percent(score)} sure`;
    this.bars.show(prediction);
  }

  tellNothing() {
    this.answer.textContent = "";
    this.guess.textContent = "";
    this.sure.textContent = "There is no answer for this photo.";
    this.bars.clear();
  }

  // Small, the newest first; pressed, it is shown again.
  remember(prediction, blob, name) {
    const small = h("canvas", { width: 96, height: 96, "aria-hidden": "true" });
    drawSquare(small, blob);
    const { rejected, score } = prediction;
    const label = named(prediction);
    const show = () => {
      this.closeCamera();
      scrollTo({ top: 0 });
      this.one(blob, name).catch(tellProblem);
    };
    const words = h("span", { class: "name" }, rejected ? "unknown" : label);
    const share = h("span", { class: "hint" }, rejected ? `${label}? ${percent(score)}` : percent(score));
    this.recent.prepend(h("li", {}, h("button", { type: "button", class: rejected ? "tried unknown" : "tried", title: name, on: { click: show } }, small, words, share)));
    while (this.recent.children.length > REMEMBERED) this.recent.lastChild.remove();
  }

  async openCamera() {
    this.live.disabled = true;
    try {
      await camera.start(this.video);
    } catch (error) {
      tellProblem(error);
      return;
    } finally {
      this.live.disabled = false;
    }
    if (this.left) { // while the browser asked
      camera.stop(this.video);
      return;
    }
    this.abort?.abort();
    this.abort = new AbortController();
    this.invite.hidden = true;
    this.still.hidden = true;
    this.map.hidden = true;
    this.video.hidden = false;
    this.frame(this.video.videoWidth, this.video.videoHeight);
    this.alike.hidden = true;
    this.live.lastChild.textContent = "Stop the camera";
    this.live.classList.remove("primary");
    const { signal } = this.abort;
    const pace = new Pace();
    this.stopLoop = camera.loop(this.video, () => shrunk(this.video, LIVE_SIDE), async (blob, at) => {
      try {
        await this.ask(blob, signal);
      } catch (error) {
        if (error.name === "AbortError" || signal.aborted) return;
        if (error.code !== "UNAVAILABLE" && error.code !== "RESOURCE_EXHAUSTED") {
          tellProblem(error);
          this.closeCamera();
          return;
        }
        this.speed.textContent = error.message;
        await new Promise((resolve) => setTimeout(resolve, 1000 * (error.retryAfterS ?? 1)));
        return;
      }
      const words = pace.count(performance.now() - at);
      if (words && !signal.aborted) this.speed.textContent = words;
    });
  }

  closeCamera() {
    if (!this.video.srcObject) return;
    this.stopLoop?.();
    this.abort?.abort();
    camera.stop(this.video);
    this.video.hidden = true;
    this.map.hidden = true;
    this.seen.hidden = true;
    this.invite.hidden = false;
    this.speed.textContent = "";
    this.live.lastChild.textContent = "Use the camera";
    this.live.classList.add("primary");
  }
}

// What a prediction says in a word; of several labels, those that are predicted.
function named({ multi_label: several, labels, label }) {
  return several ? labels.join(", ") || "none of them" : label;
}

// How many answers there are in a second, and how old the picture of each is by then: told after every ten.
class Pace {
  constructor() {
    this.ages = [];
  }

  count(age) {
    if (!this.ages.length) this.first = performance.now();
    this.ages.push(age);
    if (this.ages.length < 10) return "";
    const rate = (1000 * (this.ages.length - 1)) / (performance.now() - this.first);
    const mean = this.ages.reduce((sum, one) => sum + one, 0) / this.ages.length;
    this.ages.length = 0;
    return `${rate.toFixed(0)} a second, each ${mean.toFixed(0)} ms after its picture`;
  }
}
