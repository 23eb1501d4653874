// Questions: a name, a yes or no. Built on <dialog>, which keeps the focus inside and closes with Escape.

import { button, h } from "./dom.js";

export function open(title, ...content) {
  const heading = h("h2", { id: "dialog-title" }, title);
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, heading, ...content);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// `known` are answers to choose from while typing.
export function ask(title, { label, value = "", action, check = () => "", hint = "", type = "text", known = [] }) {
  return new Promise((resolve) => {
    const list = known.length > 0 && h("datalist", { id: "dialog-known" }, known.map((name) => h("option", { value: name })));
    const input = h("input", { id: "dialog-input", type, value, autocomplete: "off", maxlength: 4096, list: list ? "dialog-known" : null });
    const trouble = h("p", { class: "trouble", role: "alert" });
    const form = h(
      "form",
      {
        on: {
          submit(event) {
            event.preventDefault();
            const given = input.value.trim();
            trouble.textContent = given ? check(given) : "Type something first.";
            if (trouble.textContent) return;
            resolve(given);
            dialog.close();
          },
        },
      },
      h("label", { for: "dialog-input" }, label),
      input,
      list,
      hint && h("p", { class: "hint" }, hint),
      trouble,
      h("div", { class: "row end" }, button("Cancel", () => dialog.close(), { class: "quiet" }), h("button", { type: "submit", class: "primary" }, action)),
    );
    const dialog = open(title, form);
    dialog.addEventListener("close", () => resolve(null));
    input.select();
  });
}

export function confirm(title, text, action) {
  return new Promise((resolve) => {
    const done = (answer) => { resolve(answer); dialog.close(); };
    const dialog = open(
      title,
      h("p", {}, text),
      h("div", { class: "row end" }, button("Cancel", () => done(false), { class: "quiet" }), button(action, () => done(true), { class: "danger" })),
    );
    dialog.addEventListener("close", () => resolve(false));
  });
}
