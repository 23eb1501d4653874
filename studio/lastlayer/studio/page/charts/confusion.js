// The confusion matrix: a row for each true class. A cell opens its photos.

import { count, h } from "../lib/dom.js";

export function confusion(metrics, open) {
  const labels = metrics.classes.map((entry) => entry.label);
  const wide = labels.length > 5;
  const head = h(
    "tr",
    {},
    h("td", { class: "corner" }, "is ↓ taken for →"),
    labels.map((label) => h("th", { scope: "col", title: label }, h("span", {}, label))),
  );
  const rows = metrics.confusion_matrix.map((row, line) => {
    const all = row.reduce((sum, value) => sum + value, 0);
    return h(
      "tr",
      {},
      h("th", { scope: "row", title: labels[line] }, labels[line]),
      row.map((value, column) => h("td", {}, cell(value, value / Math.max(1, all), labels[line], labels[column], open))),
    );
  });
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Confusion matrix" },
    h("table", { class: wide ? "confusion wide" : "confusion" }, h("thead", {}, head), h("tbody", {}, rows)),
  );
}

function cell(value, share, label, other, open) {
  if (!value) return h("span", { class: "zero" }, "·");
  const right = label === other;
  const words = right ? `${count(value, "photo")} of ${label} recognised` : `${count(value, "photo")} of ${label} taken for ${other}`;
  return h(
    "button",
    {
      type: "button",
      class: right ? "right" : "wrong",
      "aria-label": words,
      vars: { "--share": `${Math.round(8 + 40 * share)}%` },
      "aria-expanded": "false",
      on: {
        click(event) {
          const pressed = event.currentTarget;
          for (const one of pressed.closest("table").querySelectorAll("[aria-expanded=true]")) one.setAttribute("aria-expanded", "false");
          pressed.setAttribute("aria-expanded", "true");
          open(label, other);
        },
      },
    },
    String(value),
  );
}
