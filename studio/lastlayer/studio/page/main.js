// The frame: who may see what, which project and view are shown, and going from one to the other.

import * as api from "./lib/api.js";
import { ask } from "./lib/dialog.js";
import { button, h, icon, replace } from "./lib/dom.js";
import * as state from "./lib/state.js";
import { tellProblem } from "./lib/toast.js";
import * as collect from "./views/collect/collect.js";
import * as contract from "./views/contract.js";
import * as label from "./views/label/label.js";
import * as map from "./views/map/map.js";
import * as mend from "./views/mend.js";
import * as take from "./views/take.js";
import * as train from "./views/train.js";
import * as tryOut from "./views/try.js";

const VIEWS = { collect, label, map, train, mend, try: tryOut, take };
const TITLES = { collect: "Collect", label: "Label", map: "Map", train: "Train", mend: "Mend", try: "Try", take: "Take" };

const KEPT = "It is kept in this tab alone, and forgotten when the tab is closed.";

const top = document.getElementById("top");
const main = document.getElementById("main");
let access = null;
let projects = [];
let leave = () => {};
let shown = 0;

async function loadProjects() {
  const lists = await Promise.all([access.admin ? api.datasets() : [], access.predict ? api.models() : []]);
  const names = lists.flat().map((entry) => entry.name);
  projects = [...new Set(names)].sort();
}

function frame({ project, view }) {
  const visible = access.admin ? state.VIEWS : access.predict ? ["try"] : [];
  const options = [...new Set([...projects, project])].filter(Boolean).sort();
  const chooser = h(
    "select",
    { id: "project", "aria-label": "Project", on: { change: () => choose(chooser, project, view) } },
    options.map((name) => h("option", { value: name, selected: name === project }, name)),
    access.admin && h("option", { value: "" }, "New project…"),
  );
  replace(
    top,
    h("a", { class: "brand", href: "#/", "aria-label": "Lastlayer" }, h("img", { src: "/page/icon.svg", alt: "", width: 28, height: 28 }), h("span", {}, "Lastlayer")),
    options.length > 0 && h("div", { class: "project" }, chooser),
    h(
      "nav",
      { "aria-label": "Views" },
      visible.map((name) =>
        h(
          "a",
          {
            href: state.link(project, name),
            "aria-current": name === view ? "page" : null,
            on: { click: () => name === view && route() }, // again, although the address stays
          },
          TITLES[name],
        ),
      ),
    ),
    api.token() &&
      button("", askToken, { class: "quiet", icon: "key", "aria-label": "Token", id: "token" }),
  );
  document.title = [TITLES[view], project, "Lastlayer"].filter(Boolean).join(" · ");
}

async function choose(chooser, project, view) {
  if (chooser.value) {
    state.go(chooser.value, view);
    return;
  }
  chooser.value = project;
  const name = await ask("New project", {
    label: "Name",
    action: "Create",
    hint: "Letters, digits, dot, dash and underscore, such as kitchen. Its photos and its model have this name.",
    check: (given) => (state.NAME.test(given) ? "" : "1 to 63 letters, digits, dots, dashes and underscores, with a letter or digit first."),
  });
  if (name) state.go(name, "collect");
}

async function route() {
  const ticket = ++shown;
  leave();
  leave = () => {};
  const asked = state.read();
  if (asked.view === "api" || location.hash === "#/api") {
    frame({ project: state.remembered() || "default", view: "" });
    await show(contract, {}, ticket);
    return;
  }
  const project = asked.project || state.remembered() || projects[0] || "default";
  const allowed = access.admin ? state.VIEWS : ["try"];
  const view = allowed.includes(asked.view) ? asked.view : access.admin ? "collect" : "try";
  if (!asked.project || asked.view !== view) {
    history.replaceState(null, "", state.link(project, view));
  }
  state.remember(project);
  frame({ project, view });
  await show(VIEWS[view], { project, access, refresh: () => loadProjects().then(() => frame({ project, view })) }, ticket);
}

async function show(view, context, ticket) {
  const root = h("div", { class: "view" });
  replace(main, root);
  scrollTo(0, 0);
  try {
    const left = await view.show(root, context);
    if (ticket === shown) leave = left ?? (() => {});
    else left?.();
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.code === undefined) console.error(error);
    replace(root, away(error, error.code === "UNAVAILABLE" && error.status === 0 ? begin : route));
  }
}

async function askToken() {
  const given = await ask("Another token", {
    label: "The token to use from now on",
    action: "Use it",
    type: "password",
    hint: KEPT,
  });
  if (given === null) return;
  api.setToken(given);
  await begin();
}

function tokenPage(trouble) {
  const input = h("input", { id: "token-input", type: "password", autocomplete: "off", maxlength: 4096, "aria-describedby": "token-hint token-trouble" });
  const said = h("p", { class: "trouble", role: "alert", id: "token-trouble" }, trouble);
  const submit = (event) => {
    event.preventDefault();
    if (!input.value.trim()) {
      said.textContent = "Paste the token first.";
      return;
    }
    api.setToken(input.value.trim());
    begin();
  };
  replace(
    main,
    h(
      "div",
      { class: "view hero" },
      icon("key"),
      h("h1", {}, "A token, please"),
      h("p", {}, "The classifier behind this page answers only those who show one. Whoever runs it can give you one."),
      h(
        "form",
        { class: "token", on: { submit } },
        h("label", { for: "token-input" }, "Token"),
        h("div", { class: "row" }, input, h("button", { type: "submit", class: "primary" }, "Use it")),
        said,
        h("p", { class: "hint", id: "token-hint" }, KEPT),
      ),
    ),
  );
  input.focus();
}

function away(error, again) {
  return h(
    "div",
    { class: "view hero" },
    icon("alert"),
    h("h1", {}, error.code === "UNAVAILABLE" ? "Nobody answers" : "That did not work"),
    h("p", { role: "alert" }, error.message),
    button("Try again", again, { class: "primary big" }),
  );
}

async function begin() {
  replace(main, h("p", { class: "waiting" }, "…"));
  try {
    access = await api.access();
  } catch (error) {
    access = { token_needed: false, predict: false, admin: false };
    frame({ project: "", view: "" });
    replace(main, away(error, begin));
    return;
  }
  if (access.token_needed) {
    const trouble = api.token() ? "The classifier does not know this token. Is it whole, and not revoked?" : "";
    api.setToken("");
    frame({ project: "", view: "" });
    tokenPage(trouble);
    return;
  }
  try {
    await loadProjects();
  } catch (error) {
    tellProblem(error);
  }
  await route();
}

// A photo that is dropped beside its place shall not be opened in place of the page.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
addEventListener("hashchange", () => access && !access.token_needed && route());
addEventListener("token-needed", () => access && !access.token_needed && begin());
begin();
