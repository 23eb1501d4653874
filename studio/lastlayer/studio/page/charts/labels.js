// What to expect of a version where photos may have several labels: a sentence, and a row for each label.

import { h, percent } from "../lib/dom.js";

export function headline(version, heading = "h2") {
  const metrics = version.multi_label_cross_validation;
  if (!metrics) return h("section", { class: "headline" }, h("div", {}, h(heading, {}, "Too few photos to tell how good it is.")));
  return h(
    "section",
    { class: "headline" },
    h(
      "div",
      {},
      h(heading, {}, `Of 100 new photos like these, expect about ${Math.round(100 * metrics.exact_match)} to get all their labels, and no other.`),
      h("p", { class: "hint" }, `Estimated on its ${metrics.example_count.toLocaleString("en")} photos: each was predicted by a model that had not seen it. Mean average precision ${share(metrics.macro_average_precision)}, mean F1 ${share(metrics.macro_f1)}.`),
    ),
  );
}

export function labelByLabel(version) {
  const metrics = version.multi_label_cross_validation;
  const rows = [...metrics.labels].sort((one, other) => (one.average_precision ?? 2) - (other.average_precision ?? 2));
  const columns = [["label"], ["photos"], ["average precision", "Does not depend on the threshold"], ["found", "Of the photos that have it"], ["to be trusted", "Of the photos that are said to have it"], ["from", "The probability from which on it is predicted"]];
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Label by label" },
    h(
      "table",
      { class: "classes" },
      h("thead", {}, h("tr", {}, columns.map(([name, title]) => h("th", { scope: "col", title: title ?? null }, name)))),
      h("tbody", {}, rows.map((entry) => row(entry))),
    ),
  );
}

function row(entry) {
  const known = entry.average_precision !== null;
  const meter = (value) => h("td", {}, known ? h("span", { class: "meter", vars: { "--share": `${100 * value}%` } }, percent(value)) : "–");
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, entry.label),
    h("td", {}, entry.example_count),
    meter(entry.average_precision),
    meter(entry.recall),
    meter(entry.precision),
    h("td", {}, percent(entry.threshold)),
  );
}

function share(value) {
  return value === null ? "not known" : percent(value);
}
