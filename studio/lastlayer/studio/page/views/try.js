// Try: a photo dropped or pasted, or the camera: what it is, how sure that is, and where in the picture it comes from.

import * as api from "../lib/api.js";
import { Bars } from "../charts/bars.js";
import * as camera from "../lib/camera.js";
import { button, h, icon, percent, replace } from "../lib/dom.js";
import { fromDrop, fromInput } from "../lib/files.js";
import { drawMap, shrunk } from "../lib/pictures.js";
import * as state from "../lib/state.js";
import { tellProblem } from "../lib/toast.js";

const LIVE_SIDE = 320; // more than the network sees
const SIDE = 1024;

export async function show(root, { project, access }) {
  if (!(await api.model(project))) {
    replace(
      root,
      h("div", { class: "title" }, h("h1", {}, "Try")),
      h("section", { class: "hero" }, h("h2", {}, "Nothing to try yet"), h("p", {}, access.admin ? "Collect photos and train on them first." : "There is no model of this name."), access.admin && h("a", { class: "button primary big", href: state.link(project, "collect") }, "Collect")),
    );
    return null;
  }
  const view = new Try(root, project);
  return () => view.leave();
}

class Try {
  constructor(root, project) {
    this.project = project;
    this.photo = null; // what is sent, so that the switch can ask for its map
    this.bars = new Bars();
    this.video = h("video", { hidden: true, playsinline: true, "aria-label": "Camera" });
    this.still = h("canvas", { hidden: true, role: "img", "aria-label": "Photo" });
    this.map = h("canvas", { class: "map", hidden: true, "aria-hidden": "true" });
    this.answer = h("p", { class: "answer", role: "status" }, "");
    this.sure = h("p", { class: "hint" });
    this.speed = h("p", { class: "hint speed" });
    this.recent = h("div", { class: "recent" });
    this.maps = h("input", { type: "checkbox", id: "maps", on: { change: () => this.again() } });
    this.live = button("Use the camera", () => (this.video.srcObject ? this.closeCamera() : this.openCamera()), { icon: "camera", id: "live" });
    const files = h("input", { type: "file", multiple: true, accept: "image/*", class: "visually-hidden", "aria-label": "Choose photos to try", on: { change: () => this.take(fromInput(files.files)).then(() => { files.value = ""; }) } });
    this.invite = h("div", { class: "invite" }, icon("photo"), h("p", {}, "Drop a photo here, or paste one"));
    this.stage = h(
      "div",
      { class: "stage", on: { dragover: (event) => { event.preventDefault(); this.stage.classList.add("over"); }, dragleave: () => this.stage.classList.remove("over") } },
      this.invite,
      h("div", { class: "seen" }, this.still, this.video, this.map),
    );
    root.addEventListener("dragover", (event) => event.preventDefault());
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
        h("div", {}, this.stage, h("div", { class: "row" }, h("label", { class: "button" }, files, icon("photo"), "Choose photos"), this.live, h("label", { class: "switch" }, this.maps, " Show where it looks"))),
        h("div", { class: "said" }, this.answer, this.sure, this.bars.element, this.speed),
      ),
      this.recent,
    );
  }

  leave() {
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
        await this.one(file.read ? await file.read() : file, name);
      } catch (error) {
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
    if (picture) {
      const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
      this.still.width = Math.round(picture.width * scale);
      this.still.height = Math.round(picture.height * scale);
      this.still.getContext("2d").drawImage(picture, 0, 0, this.still.width, this.still.height);
      this.still.setAttribute("aria-label", name);
    }
    this.photo = blob;
    const prediction = await this.ask(blob, this.abort.signal);
    this.remember(prediction, name, picture);
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
    const said = prediction.rejected ? "unknown" : prediction.label;
    if (this.answer.textContent !== said) this.answer.textContent = said; // read out only where it changes
    this.answer.classList.toggle("unknown", prediction.rejected);
    const why = prediction.unfamiliar ? "unlike the photos it was trained on" : "not sure enough";
    this.sure.textContent = prediction.rejected ? `${why}; best guess: ${prediction.label}, ${percent(prediction.score)}` : `${percent(prediction.score)} sure`;
    this.bars.show(prediction);
  }

  remember(prediction, name, picture) {
    const small = h("canvas", { width: 96, height: 96, "aria-hidden": "true" });
    if (picture) {
      const side = Math.min(picture.width, picture.height);
      small.getContext("2d").drawImage(picture, (picture.width - side) / 2, (picture.height - side) / 2, side, side, 0, 0, 96, 96);
    }
    const words = prediction.rejected ? "unknown" : prediction.label;
    this.recent.prepend(h("figure", { title: name }, small, h("figcaption", {}, words, h("span", { class: "hint" }, ` ${percent(prediction.score)}`))));
    while (this.recent.children.length > 12) this.recent.lastChild.remove();
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
    this.abort?.abort();
    this.abort = new AbortController();
    this.invite.hidden = true;
    this.still.hidden = true;
    this.map.hidden = true;
    this.video.hidden = false;
    this.live.lastChild.textContent = "Stop the camera";
    const times = [];
    const { signal } = this.abort;
    this.stopLoop = camera.loop(this.video, async () => {
      const begun = performance.now();
      try {
        await this.ask(await shrunk(this.video, LIVE_SIDE), signal);
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
      times.push(performance.now() - begun);
      if (times.length === 10) {
        const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
        this.speed.textContent = `${(1000 / mean).toFixed(0)} a second, ${mean.toFixed(0)} ms each`;
        times.length = 0;
      }
    });
  }

  closeCamera() {
    if (!this.video.srcObject) return;
    this.stopLoop?.();
    this.abort?.abort();
    camera.stop(this.video);
    this.video.hidden = true;
    this.map.hidden = true;
    this.invite.hidden = false;
    this.speed.textContent = "";
    this.live.lastChild.textContent = "Use the camera";
  }
}
