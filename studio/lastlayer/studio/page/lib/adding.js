// What a person is told of photos on their way, wherever they were dropped.

import { button, count, h, replace } from "./dom.js";
import { tellProblem, toast } from "./toast.js";

// The photos of a drop or a choice; none where there are none, which is told.
export async function readPhotos(coming) {
  let found;
  try {
    found = await coming;
  } catch (error) {
    tellProblem(error);
    return [];
  }
  const { photos, others } = found;
  if (others) toast(`${count(others, "file")} left out: no JPEG, PNG, WebP, GIF, TIFF or BMP.`);
  else if (!photos.length) toast("There are no photos in it.");
  return photos;
}

// How far an upload is, in an element that is hidden where there is none.
export function showAdding(element, upload) {
  if (element.hidden) {
    replace(element, h("span"), h("progress", { "aria-label": "Adding photos" }), button("Stop", () => upload.cancel(), { class: "quiet" }));
    element.hidden = false;
  }
  const [words, meter] = element.children;
  meter.max = Math.max(1, upload.total);
  meter.value = upload.done;
  words.textContent = `Adding ${upload.done.toLocaleString("en")} of ${count(upload.total, "photo")}`;
}

export function reasonOf(outcome) {
  return outcome.error.detail.replace(/\.$/, "");
}

// What became of all; `rejected` are the reasons of those that were not taken.
export function tellAdded(counts, rejected, where = "") {
  const words = [
    `${count(counts.added, "photo")} added${where}`,
    counts.present && `${counts.present} ${counts.present === 1 ? "was" : "were"} there already`,
    counts.conflict && `${counts.conflict} in two classes`,
    counts.failed && `${counts.failed} not taken: ${rejected[0]}`,
  ].filter(Boolean);
  toast(`${words.join(", ")}.`, { kind: counts.failed ? "bad" : "good", ms: counts.failed ? 15000 : 6000 });
}
