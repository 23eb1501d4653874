// Images like this one: the nearest examples of a dataset, each the way to those like it in turn.

import * as api from "../lib/api.js";
import { open } from "../lib/dialog.js";
import { button, count, h, replace, shortName } from "../lib/dom.js";
import { fromBase64 } from "../lib/pictures.js";

const SHOWN = 24;

// Of a stored `example`, or of a `photo` that is not stored.
export function alike(project, wanted) {
  const before = [];
  let now = wanted;
  const asked = h("div", { class: "asked" });
  const said = h("p", { class: "hint", role: "status" });
  const found = h("ul", { class: "alike", "aria-label": "Images like this" });
  const pool = h("input", { type: "checkbox", checked: true, on: { change: () => load() } });
  const back = button("Back", () => { now = before.pop(); load(); }, { class: "quiet" });
  const dialog = open(
    "Images like this",
    h("div", { class: "row" }, asked, h("label", { class: "switch" }, pool, " Also those without a label")),
    said,
    found,
    h("div", { class: "row end" }, back, button("Close", () => dialog.close(), { class: "primary" })),
  );
  dialog.classList.add("wide");
  let shown = 0;

  async function load() {
    const ticket = ++shown;
    back.hidden = !before.length;
    const { example, photo } = now;
    const url = photo ? URL.createObjectURL(photo) : example.thumbnail && fromBase64(example.thumbnail);
    replace(asked, url && h("img", { src: url, alt: example?.id ?? "The photo", on: { load: () => photo && URL.revokeObjectURL(url) } }), h("span", {}, example ? name(example) : "This photo"));
    said.textContent = "Looking…";
    try {
      const known = { count: SHOWN, pool: pool.checked };
      const answer = await (photo ? api.similar(project, photo, known) : api.similarTo(project, example.sha256, known));
      if (ticket !== shown) return;
      said.textContent = `The nearest of ${count(answer.compared_count, "photo")}; the distance is 0 for the same and 1 for photos that have nothing in common.${answer.stale_count ? ` ${count(answer.stale_count, "photo")} must be added again first.` : ""}`;
      replace(found, answer.examples.map(card));
    } catch (error) {
      if (ticket !== shown) return;
      said.textContent = error.message;
      replace(found);
    }
  }

  function card({ example, distance }) {
    const go = () => {
      before.push(now);
      now = { example };
      load();
      dialog.querySelector("h2").scrollIntoView({ block: "nearest" });
    };
    return h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "tried", title: example.id, on: { click: go } },
        example.thumbnail ? h("img", { src: fromBase64(example.thumbnail), alt: "" }) : h("span", { class: "blank" }, "No picture was kept"),
        h("span", { class: "name" }, example.labels.join(", ") || "no label"),
        h("span", { class: "hint" }, distance.toFixed(3)),
      ),
    );
  }

  load();
}

function name(example) {
  return [...example.labels, shortName(example.id)].join(" · ");
}
