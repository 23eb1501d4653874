// Train: one button, then what to expect, honestly, where it goes wrong, and what to do next.

import * as api from "../lib/api.js";
import { confusion } from "../charts/confusion.js";
import { reliability } from "../charts/reliability.js";
import { button, count, h, icon, percent, replace } from "../lib/dom.js";
import * as state from "../lib/state.js";
import { tellProblem, toast } from "../lib/toast.js";
import { Mapped } from "./mapped.js";
import { headline } from "../charts/numbers.js";
import { headline as headlineOfLabels, labelByLabel } from "../charts/labels.js";
import { Trainer } from "./trainer.js";

const MISTAKES = 1000;
const SHOWN = 60;

export async function show(root, { project, refresh }) {
  const [version, dataset] = await Promise.all([api.defaultVersion(project), api.dataset(project)]);
  const classes = Object.keys(dataset?.classes ?? {}).length;
  const several = dataset?.multi_label ?? false;
  const result = h("div", { class: "result" });
  const options = settings(several);
  const trainer = new Trainer(project, {
    label: version ? "Train again" : "Train",
    options: options.read,
    failed: tellProblem,
    done: async (trained) => {
      toast(`Version ${trained.version} is trained and in use.`, { kind: "good" });
      trainer.start.textContent = "Train again";
      await refresh().catch(tellProblem);
      await present(trained);
      result.querySelector("h2")?.focus();
    },
  });

  async function present(known) {
    replace(result, await results(project, known));
  }

  replace(
    root,
    h(
      "div",
      { class: "title" },
      h("h1", {}, "Train"),
      h("p", { class: "summary" }, dataset ? `${count(dataset.example_count, "photo")} ${several ? `with ${count(classes, "label")}` : `in ${count(classes, "class", "classes")}`}` : ""),
    ),
    classes < (several ? 1 : 2)
      ? h(
          "section",
          { class: "hero" },
          icon("spark"),
          h("h2", {}, "It takes two classes"),
          h("p", {}, "Collect some photos of each first; a dozen of each are a good start."),
          h("a", { class: "button primary big", href: state.link(project, "collect") }, "Collect"),
        )
      : h("div", { class: "start" }, trainer.element, options.element),
    result,
  );
  if (version) await present(version);
  return () => trainer.leave();
}

function settings(several) {
  const balanced = h("input", { type: "checkbox", id: "balanced" });
  const reject = h("input", { type: "checkbox", id: "reject" });
  const line = (input, title, hint) => h("label", { class: "option", for: input.id }, input, h("span", {}, h("b", {}, title), h("span", { class: "hint" }, hint)));
  return {
    element: h(
      "details",
      { class: "options" },
      h("summary", {}, "Options"),
      !several && line(balanced, "Every class counts the same", "However many photos it has. For classes that are rare in your folders, but not in life."),
      line(reject, "Say unknown rather than guess", "Of what it does answer, 95 of 100 shall be right. It needs some dozens of photos to promise that."),
    ),
    read: () => ({ class_weight: balanced.checked ? "balanced" : "none", min_precision: reject.checked ? 0.95 : 0 }),
  };
}

async function results(project, version) {
  const metrics = version.cross_validation;
  const advice = await api.advice(project, version.version).catch(() => []);
  const opened = h("div", { class: "opened" });
  const head = version.multi_label ? headlineOfLabels(version) : headline(version);
  head.querySelector("h2").tabIndex = -1;
  return [
    h("div", { class: "first" }, head, next(project, version, advice)),
    version.multi_label_cross_validation && h("section", { class: "panel" }, h("h2", {}, "Label by label"), labelByLabel(version)),
    metrics &&
      h(
        "div",
        { class: metrics.classes.length > 6 ? "pair wide" : "pair" },
        h(
          "div",
          {},
          h(
            "section",
            { class: "panel" },
            h("h2", {}, "What is taken for what"),
            h("p", { class: "hint" }, "Each photo was predicted by a model that had not seen it. A number opens its photos."),
            confusion(metrics, (label, other) => openCell(opened, project, version, label, other).catch(tellProblem)),
            opened,
          ),
          details(version),
        ),
        h(
          "div",
          {},
          h("section", { class: "panel" }, h("h2", {}, "Class by class"), perClass(metrics)),
          h("section", { class: "panel" }, h("h2", {}, "Can its probabilities be believed?"), reliability(metrics)),
        ),
      ),
    !metrics && details(version),
  ];
}

function next(project, version, advice) {
  const lines = advice.map((entry) => sentence(project, entry));
  const notes = version.notes.map((note) => h("li", {}, note));
  return h(
    "section",
    { class: "panel next" },
    h("h2", {}, "What to do next"),
    h("ul", {}, lines, notes, h("li", {}, h("a", { href: state.link(project, "try") }, "Try it"), " on a photo that it has not seen, or on the camera.")),
  );
}

function sentence(project, { kind, count: number, label, other }) {
  const collect = (words) => h("a", { href: state.link(project, "collect") }, words);
  const mend = (words) => h("a", { href: state.link(project, "mend") }, words);
  const one = number === 1;
  return h(
    "li",
    {},
    {
      suspicious: () => [mend(`${count(number, "label")} ${one ? "looks" : "look"} wrong`), `: look at ${one ? "it" : "them"}, then train again.`],
      conflicts: () => [collect(`${count(number, "photo")} ${one ? "is" : "are"} in two classes`), " and left out until you choose."],
      stale: () => [collect(`${count(number, "photo")} must be added again`), ": another network looked at them."],
      grow: () => [h("b", {}, label), ` has only ${count(number, "photo")}: `, collect("more would help most"), "."],
      mixed_up: () => [`${count(number, "photo")} of `, h("b", {}, label), ` ${one ? "is" : "are"} taken for `, h("b", {}, other), ": more of both, from other sides, would help to tell them apart."],
      untrained: () => [`${count(number, "photo")} came or went since this version: train again.`],
    }[kind](),
  );
}

function perClass(metrics) {
  const rows = [...metrics.classes].sort((one, other) => one.recall - other.recall);
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Class by class" },
    h(
      "table",
      { class: "classes" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "class"), h("th", { scope: "col" }, "photos"), h("th", { scope: "col" }, "recognised"), h("th", { scope: "col", title: "Of what is called so, how much is" }, "to be trusted"))),
      h(
        "tbody",
        {},
        rows.map((entry) =>
          h("tr", {}, h("th", { scope: "row" }, entry.label), h("td", {}, entry.example_count), meter(entry.recall), meter(entry.precision)),
        ),
      ),
    ),
  );
}

function meter(share) {
  return h("td", {}, h("span", { class: "meter", vars: { "--share": `${100 * share}%` } }, percent(share)));
}

function details(version) {
  const facts = [
    ["trained", new Date(version.create_time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })],
    ["took", `${version.training_duration_s.toFixed(1)} s`],
    ["photos", version.example_count.toLocaleString("en")],
    ["network", version.backbone],
    ["features", version.taps.join(" + ")],
    ["says unknown", version.rejection ? `below ${percent(version.rejection.threshold)}` : "never"],
  ];
  return h("section", { class: "panel details" }, h("h2", {}, `How version ${version.version} was trained`), h("dl", {}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

// The photos of one cell of the confusion matrix.
async function openCell(place, project, version, label, other) {
  const right = label === other;
  const title = h("h3", { tabindex: -1 }, right ? `${label}, recognised` : `${label}, taken for ${other}`);
  replace(place, title, h("p", { class: "waiting" }, "…"));
  title.focus();
  const { examples } = await api.review(project, version.version, { kind: "mistakes", limit: MISTAKES });
  let photos;
  if (right) {
    const wrong = new Set(examples.map((entry) => entry.example.sha256));
    const page = await api.examples(version.dataset, { label, page_size: 200 });
    photos = page.examples.filter((entry) => !wrong.has(entry.sha256) && entry.labels.length === 1);
  } else {
    photos = examples.filter((entry) => entry.label === label && entry.suggested_label === other).map((entry) => entry.example);
  }
  const mapped = photos.slice(0, SHOWN).map((example) => new Mapped(project, version.version, example, other));
  const trouble = h("p", { class: "hint", role: "status" });
  const maps = h("input", { type: "checkbox", checked: true, on: { change: () => showMaps() } });
  const showMaps = async () => {
    trouble.textContent = "";
    for (const photo of mapped) {
      if (!place.contains(photo.element)) return; // another cell was opened
      const why = await photo.show(maps.checked);
      if (why) {
        trouble.textContent = why;
        return;
      }
    }
  };
  replace(
    place,
    title,
    photos.length === 0 && h("p", { class: "hint" }, "They were relabelled or removed since."),
    photos.length > 0 && h("label", { class: "switch" }, maps, ` Light up what speaks for ${other}`),
    trouble,
    h("div", { class: "photos" }, mapped.map((photo) => photo.element)),
    photos.length > SHOWN && h("p", { class: "hint" }, `and ${photos.length - SHOWN} more`),
    button("Close", () => replace(place), { class: "quiet" }),
  );
  await showMaps();
}
