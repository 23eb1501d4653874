// Photos that may have several labels: a photo is in the column of each, and its labels are set together.

import * as api from "../../lib/api.js";
import { open } from "../../lib/dialog.js";
import { button, count, h } from "../../lib/dom.js";

// Gives photos, `{ sha, labels }`, the labels that `make` makes of theirs: a call for each set of labels.
export async function change(project, photos, make) {
  const sets = new Map();
  for (const { sha, labels } of photos) {
    const made = make(labels);
    const key = JSON.stringify([...made].sort());
    sets.set(key, { made, shas: [...(sets.get(key)?.shas ?? []), sha] });
  }
  for (const { made, shas } of sets.values()) {
    for (let start = 0; start < shas.length; start += 800) await api.relabel(project, shas.slice(start, start + 800), made);
  }
}

// Asks which labels some photos have; null where it is closed without an answer.
export function askLabels(labels, photos) {
  return new Promise((resolve) => {
    const boxes = labels.map((label, number) => {
      const having = photos.filter((photo) => photo.labels.includes(label)).length;
      const input = h("input", { type: "checkbox", id: `label-${number}`, checked: having === photos.length });
      return { label, input, element: h("label", { class: "switch", for: input.id }, input, ` ${label}`, having > 0 && having < photos.length && h("span", { class: "hint" }, ` ${having} of them`)) };
    });
    const form = h(
      "form",
      {
        on: {
          submit(event) {
            event.preventDefault();
            resolve(boxes.filter(({ input }) => input.checked).map(({ label }) => label));
            dialog.close();
          },
        },
      },
      h("p", { class: "hint" }, "They get these labels in place of all that they have. None is an answer, too."),
      h("div", { class: "labels" }, boxes.map(({ element }) => h("div", {}, element))),
      h("div", { class: "row end" }, button("Cancel", () => dialog.close(), { class: "quiet" }), h("button", { type: "submit", class: "primary" }, "Set labels")),
    );
    const dialog = open(`Labels of ${count(photos.length, "photo")}`, form);
    dialog.addEventListener("close", () => resolve(null));
  });
}
