// The camera for one class: a press takes one photo, holding takes one after the other.

import * as camera from "../../lib/camera.js";
import { open } from "../../lib/dialog.js";
import { button, count, h } from "../../lib/dom.js";
import { shrunk } from "../../lib/pictures.js";
import { tellProblem } from "../../lib/toast.js";

const EVERY_MS = 200;
const MAX_SIDE = 640;

export async function shoot(label, taken) {
  const video = h("video", { playsinline: true });
  const said = h("p", { role: "status" }, "One press, one photo. Hold for many, and turn the thing meanwhile.");
  const shutter = h("button", { type: "button", class: "primary big shutter", disabled: true }, "Take a photo");
  const dialog = open(`Photos of ${label}`, video, said, h("div", { class: "row end" }, button("Done", () => dialog.close(), { class: "quiet" }), shutter));
  let number = 0;
  let timer = null;
  let busy = false;
  const take = async () => {
    if (busy || !video.videoWidth) return;
    busy = true;
    try {
      const blob = await shrunk(video, MAX_SIDE);
      number += 1;
      said.textContent = `${count(number, "photo")} taken`;
      taken(blob, `camera-${new Date().toISOString().replace(/[^0-9]/g, "")}.jpg`);
    } finally {
      busy = false;
    }
  };
  const press = () => {
    if (timer !== null) return;
    take();
    timer = setInterval(take, EVERY_MS);
  };
  const release = () => {
    clearInterval(timer);
    timer = null;
  };
  const key = (event) => [" ", "Enter"].includes(event.key);
  shutter.addEventListener("pointerdown", press);
  shutter.addEventListener("keydown", (event) => { if (key(event)) { event.preventDefault(); press(); } });
  shutter.addEventListener("keyup", (event) => key(event) && release());
  for (const event of ["pointerup", "pointercancel", "pointerleave", "blur"]) shutter.addEventListener(event, release);
  shutter.addEventListener("contextmenu", (event) => event.preventDefault()); // which phones open for a long press
  shutter.addEventListener("click", (event) => event.detail === 0 && take()); // as screen readers press
  dialog.addEventListener("close", () => { release(); camera.stop(video); });
  try {
    await camera.start(video);
    if (!dialog.open) camera.stop(video); // it was closed while the browser asked
    shutter.disabled = false;
    shutter.focus();
  } catch (error) {
    dialog.close();
    tellProblem(error);
  }
}
