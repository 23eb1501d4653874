// A hundred dots, one for each of a hundred new photos: those that will be recognised, those that may be, the others.

import { h } from "../lib/dom.js";

export function dots(metrics) {
  const expected = Math.round(100 * metrics.accuracy);
  const [lower, upper] = bounds(metrics);
  const kind = (number) => (number < lower ? "sure" : number < expected ? "likely" : number < upper ? "maybe" : "no");
  return h(
    "div",
    { class: "dots", role: "img", "aria-label": sentence(metrics) },
    Array.from({ length: 100 }, (_, number) => h("i", { class: kind(number) })),
  );
}

export function bounds(metrics) {
  return (metrics.accuracy_interval ?? [metrics.accuracy, metrics.accuracy]).map((share) => Math.round(100 * share));
}

export function sentence(metrics) {
  const [lower, upper] = bounds(metrics);
  const about = Math.round(100 * metrics.accuracy);
  const range = lower === upper ? "" : `: between ${lower} and ${upper}`;
  return `Of 100 new photos like these, expect about ${about} to be recognised${range}.`;
}
