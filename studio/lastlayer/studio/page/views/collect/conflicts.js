// Photos that were added with more than one label: they are trained on once somebody says which is right.

import * as api from "../../lib/api.js";
import { button, count, h } from "../../lib/dom.js";
import { fromBase64 } from "../../lib/pictures.js";
import { tellProblem } from "../../lib/toast.js";

const SHOWN = 24;

export async function conflicts(project, changed) {
  const page = await api.examples(project, { conflicts_only: true, page_size: SHOWN });
  if (!page.examples.length) return null;
  const number = `${count(page.examples.length, "photo")}${page.next_page_token ? " and more" : ""}`;
  return h(
    "section",
    { class: "conflicts", "aria-label": "Conflicts" },
    h("h2", {}, `${number} in two classes`),
    h("p", {}, "Somebody put the same photo into more than one class. Which is right? It is left out of training until you say."),
    h("div", { class: "cards" }, page.examples.map((example) => card(project, example, changed))),
  );
}

function card(project, example, changed) {
  const change = async (work) => {
    try {
      await work();
      changed();
    } catch (error) {
      tellProblem(error);
    }
  };
  return h(
    "figure",
    { class: "card" },
    example.thumbnail && h("img", { src: fromBase64(example.thumbnail), alt: example.id }),
    h(
      "figcaption",
      { class: "row centre" },
      example.labels.map((label) => button(label, () => change(() => api.relabel(project, [example.sha256], label)))),
      button("", () => change(() => api.remove(project, [example.sha256])), { class: "quiet", icon: "trash", "aria-label": "Delete this photo" }),
    ),
  );
}
