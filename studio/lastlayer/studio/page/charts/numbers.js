// What to expect of a version, in one look: the sentence and its hundred dots.

import { dots, sentence } from "./dots.js";
import { h, percent } from "../lib/dom.js";

const CHANGES = 12;

export function headline(version, heading = "h2") {
  const metrics = version.cross_validation;
  if (!metrics) {
    return h(
      "section",
      { class: "headline" },
      h("div", {}, h(heading, {}, "Too few photos to tell how good it is."), h("p", { class: "hint" }, "Two of each class can be left out in turn and predicted; a dozen of each make an estimate.")),
    );
  }
  return h(
    "section",
    { class: "headline" },
    dots(metrics),
    h(
      "div",
      {},
      h(heading, {}, sentence(metrics)),
      h(
        "p",
        { class: "hint" },
        `Estimated on its ${metrics.example_count.toLocaleString("en")} photos: each was predicted by a model that had not seen it. The range holds 95 times out of 100.`,
      ),
    ),
  );
}

export function brief(version) {
  const several = version.multi_label_cross_validation;
  if (several) return `${Math.round(100 * several.exact_match)} of 100 with all labels right`;
  const metrics = version.cross_validation;
  if (!metrics) return "not known";
  const [lower, upper] = (metrics.accuracy_interval ?? []).map((share) => Math.round(100 * share));
  const range = lower === undefined ? "" : ` (${lower} to ${upper})`;
  return `${Math.round(100 * metrics.accuracy)} of 100${range}`;
}

// Two versions side by side, and whether the difference is more than chance.
export function beside(before, after) {
  const card = (version, words) =>
    h(
      "div",
      { class: "card" },
      h("p", { class: "eyebrow" }, `${words} · version ${version.version}`),
      version.cross_validation && dots(version.cross_validation),
      h("p", { class: "big-number" }, brief(version)),
      h("p", { class: "hint" }, `${version.example_count.toLocaleString("en")} photos, ${version.classes.length} ${version.multi_label ? "labels" : "classes"}`),
    );
  return h("div", { class: "beside" }, card(before, "Before"), card(after, "After"), h("p", { class: "verdict" }, verdict(before, after)), changes(before, after));
}

// The classes that are recognised more often or less often than before, the largest change first.
function changes(before, after) {
  const known = new Map((before.cross_validation?.classes ?? []).map((entry) => [entry.label, entry]));
  const rows = (after.cross_validation?.classes ?? [])
    .filter((entry) => known.has(entry.label))
    .map((entry) => ({ label: entry.label, was: known.get(entry.label).recall, is: entry.recall }))
    .filter(({ was, is }) => Math.round(100 * was) !== Math.round(100 * is))
    .sort((one, other) => Math.abs(other.is - other.was) - Math.abs(one.is - one.was))
    .slice(0, CHANGES);
  if (!rows.length) return null;
  return h(
    "div",
    { class: "scroll changes", tabindex: 0, role: "region", "aria-label": "Class by class" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ["recognised", "before", "after", "change"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.map(({ label, was, is }) => h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, percent(was)), h("td", {}, percent(is)), h("td", { class: is > was ? "more" : "less" }, `${is > was ? "+" : "−"}${Math.round(100 * Math.abs(is - was))}`)))),
    ),
  );
}

export function verdict(before, after) {
  const [was, is] = [before, after].map((version) => version.multi_label_cross_validation?.macro_average_precision ?? null);
  if (was !== null && is !== null) return `Mean average precision: ${percent(was)} before, ${percent(is)} now.`;
  const [one, other] = [before.cross_validation, after.cross_validation];
  if (!one || !other) return "At least one of them has too few photos for an estimate.";
  const gain = other.accuracy - one.accuracy;
  const [a, b] = [one.accuracy_interval, other.accuracy_interval];
  if (a && b && b[0] > a[1]) return "Better, and by more than chance would do.";
  if (a && b && b[1] < a[0]) return "Worse, by more than chance would do.";
  if (Math.abs(gain) < 0.005) return "As good as before.";
  return `${gain > 0 ? "Better" : "Worse"} by ${Math.round(100 * Math.abs(gain))} of 100, which may be chance: the ranges overlap.`;
}
