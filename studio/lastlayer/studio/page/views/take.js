// Take: versions to compare and go back to, the report, the head as a file, and lines of code that work as they stand.

import * as api from "../lib/api.js";
import { confirm } from "../lib/dialog.js";
import { button, h, icon, replace } from "../lib/dom.js";
import * as state from "../lib/state.js";
import { tellProblem, toast } from "../lib/toast.js";
import { beside, brief } from "../charts/numbers.js";
import { snippets } from "./snippets.js";

export async function show(root, { project, refresh }) {
  const model = await api.model(project);
  if (!model) {
    replace(
      root,
      h("div", { class: "title" }, h("h1", {}, "Take")),
      h("section", { class: "hero" }, icon("down"), h("h2", {}, "Nothing to take yet"), h("p", {}, "Once a model is trained, its versions, its report, its files and lines of code for your programs are here."), h("a", { class: "button primary big", href: state.link(project, "train") }, "Train")),
    );
    return;
  }
  const [versions, status] = await Promise.all([api.versions(project), api.status()]);
  const compared = h("div");
  const again = () => show(root, { project, refresh }).catch(tellProblem);
  replace(
    root,
    h("div", { class: "title" }, h("h1", {}, "Take"), h("p", { class: "summary" }, `Version ${model.default_version} is in use`)),
    h("section", { class: "panel" }, h("h2", {}, "Versions"), table(project, model, versions, compared, again), compared),
    h("section", { class: "panel" }, h("h2", {}, "Files"), files(project, model), h("p", { class: "hint" }, "The whole model as one file, for a phone or another server: ", h("code", {}, `lastlayer export ${project} --to app.tflite`))),
    h("section", { class: "panel" }, h("h2", {}, "From your own programs"), snippets(project, status.server), h("p", { class: "hint" }, h("a", { href: "#/api" }, "All of the HTTP interface"), ", as OpenAPI too.")),
    h(
      "section",
      { class: "panel" },
      h("h2", {}, "Delete"),
      h("p", { class: "hint" }, "The photos stay when the model goes, and the model stays when the photos go."),
      h("div", { class: "row" }, button("Delete the model", () => removeAll("model"), { class: "danger" }), button("Delete the photos", () => removeAll("photos"), { class: "danger" })),
    ),
  );

  async function removeAll(what) {
    const isModel = what === "model";
    const words = isModel ? `All ${versions.length} versions of ${project} go, for good.` : `All photos of ${project} go, for good.`;
    if (!(await confirm(`Delete the ${what}?`, words, "Delete"))) return;
    try {
      await (isModel ? api.deleteModel(project) : api.deleteDataset(project));
      toast(`The ${what} of ${project} ${isModel ? "is" : "are"} deleted.`);
      await refresh();
      state.go(project, isModel ? "train" : "collect");
    } catch (error) {
      tellProblem(error);
    }
  }
}

function table(project, model, versions, compared, again) {
  const chosen = new Set();
  const boxes = versions.map((version) =>
    h("input", {
      type: "checkbox",
      "aria-label": `Compare version ${version.version}`,
      on: {
        change: (event) => {
          if (event.target.checked) chosen.add(version);
          else chosen.delete(version);
          compare();
        },
      },
    }),
  );
  function compare() {
    const [one, other] = [...chosen].sort((a, b) => a.version - b.version);
    replace(compared, chosen.size === 2 ? beside(one, other) : chosen.size ? h("p", { class: "hint" }, "Choose two versions to compare them.") : null);
  }
  const act = async (work, words) => {
    try {
      await work();
      toast(words, { kind: "good" });
      again();
    } catch (error) {
      tellProblem(error);
    }
  };
  const row = (version, index) => {
    const number = version.version;
    const used = number === model.default_version;
    return h(
      "tr",
      { class: used ? "used" : null },
      h("td", {}, versions.length > 1 && boxes[index]),
      h("th", { scope: "row", data: { name: "version" } }, number),
      h("td", { data: { name: "trained" } }, new Date(version.create_time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })),
      h("td", { data: { name: "photos" } }, version.example_count.toLocaleString("en")),
      h("td", { data: { name: "recognises" } }, brief(version)),
      h(
        "td",
        { class: "actions" },
        used
          ? h("span", { class: "chip" }, "in use")
          : [
              button("Use", () => act(() => api.setDefault(project, number), `Version ${number} is in use.`), { "aria-label": `Use version ${number}` }),
              button("", () => act(() => api.deleteVersion(project, number), `Version ${number} is deleted.`), { class: "quiet", icon: "trash", "aria-label": `Delete version ${number}` }),
            ],
      ),
    );
  };
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Versions" },
    h(
      "table",
      { class: "versions" },
      h("thead", {}, h("tr", {}, h("td", {}), h("th", { scope: "col" }, "version"), h("th", { scope: "col" }, "trained"), h("th", { scope: "col" }, "photos"), h("th", { scope: "col" }, "recognises"), h("td", {}))),
      h("tbody", {}, versions.map(row)),
    ),
  );
}

function files(project, model) {
  const path = `models/${encodeURIComponent(project)}/versions/${model.default_version}`;
  const save = (label, from, hint) => {
    const pressed = button(label, async () => {
      pressed.disabled = true;
      try {
        const { name, content } = await api.file(from);
        const url = URL.createObjectURL(content);
        h("a", { href: url, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(url), 60000);
      } catch (error) {
        tellProblem(error);
      }
      pressed.disabled = false;
    }, { icon: "down" });
    return h("li", {}, pressed, h("span", { class: "hint" }, hint));
  };
  return h(
    "ul",
    { class: "files" },
    save("Report", `${path}/report`, "all that is known of it, as one page that needs no network"),
    save("Head for NumPy", `${path}/head?form=npz`, "the numbers that predict from feature vectors"),
    save("Head for ONNX", `${path}/head?form=onnx`, "the same, for any language that runs ONNX"),
  );
}
