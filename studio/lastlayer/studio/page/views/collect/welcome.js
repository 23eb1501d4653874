// What an empty project shows: how to begin, and how it goes on.

import { button, h, icon } from "../../lib/dom.js";

export function welcome(view) {
  const step = (name, title, words) => h("li", {}, icon(name), h("h3", {}, title), h("p", { class: "hint" }, words));
  return h(
    "section",
    { class: "welcome", "aria-label": "Add photos" },
    h(
      "div",
      { class: "drop hero" },
      icon("folder"),
      h("h2", {}, "Drop folders of photos here"),
      h("p", {}, "Each folder becomes a class: ", h("b", {}, "cup"), ", ", h("b", {}, "plate"), ", whatever you like to tell apart. A zip of folders will do as well, and so will a project.tm of Teachable Machine."),
      h("div", { class: "row centre" }, view.picker("Choose a folder", { webkitdirectory: true }, "primary"), view.picker("Choose a zip", { accept: ".zip,.tm" }), button("Make a class by hand", () => view.addClass(), { icon: "plus" })),
    ),
    h(
      "ol",
      { class: "steps" },
      step("photo", "Collect", "A dozen photos of each class are a good start. The camera takes them, too."),
      step("spark", "Train", "One button, some seconds. It tells you what to expect of new photos."),
      step("camera", "Try", "Hold a thing to the camera and see what it is."),
    ),
  );
}
