// Which key gives which class: digits first, then letters, without those that have work of their own.

import { open } from "../../lib/dialog.js";
import { button, h } from "../../lib/dom.js";

const KEYS = "123456789abcdefghijklmopqrtuvwxy";

export const keyOf = (index) => KEYS[index] ?? "";

// Returns the place of the class that a key gives, -1 where it gives none.
export const placeOf = (key) => (key.length === 1 ? KEYS.indexOf(key.toLowerCase()) : -1);

export function explain() {
  const line = (keys, words) => [h("dt", {}, keys.map((key, index) => [index > 0 && " ", h("kbd", {}, key)])), h("dd", {}, words)];
  const dialog = open(
    "Keys",
    h(
      "dl",
      { class: "keys" },
      line(["Enter"], "takes the guess"),
      line(["1", "…", "9"], "give a class; letters give those after the ninth"),
      line(["N"], "types a class, a new one or one of many"),
      line(["S", "→"], "skips the photo; it comes again at the end"),
      line(["Z", "Backspace"], "takes the last answer back"),
      line(["?"], "shows this"),
    ),
    h("div", { class: "row end" }, button("Close", () => dialog.close(), { class: "primary" })),
  );
}
