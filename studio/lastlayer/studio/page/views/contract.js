// The HTTP interface, out of its OpenAPI description.

import * as api from "../lib/api.js";
import { h, replace } from "../lib/dom.js";

export async function show(root) {
  const known = await api.contract();
  const operations = Object.entries(known.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
  );
  const tags = [...new Set(operations.map((operation) => operation.tags[0]))];
  replace(
    root,
    h("div", { class: "title" }, h("h1", {}, "HTTP interface"), h("p", { class: "summary" }, `version ${known.info.version}`)),
    h("p", {}, known.info.description),
    h("p", {}, h("a", { href: "/v1/openapi.json" }, "openapi.json"), " is for programs."),
    tags.map((tag) => h("section", { class: "panel" }, h("h2", {}, tag), operations.filter((operation) => operation.tags[0] === tag).map(entry))),
  );
}

function entry({ method, path, description, parameters = [], requestBody }) {
  const [first, ...rest] = (description ?? "").split("\n\n");
  const fields = parameters.map(({ name, in: place, required, schema, description: words }) =>
    h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, `${place}${required ? ", required" : ""}`), h("td", {}, [words, schema?.description, shown(schema)].filter(Boolean)[0] ?? "")),
  );
  const bodies = Object.keys(requestBody?.content ?? {});
  return h(
    "details",
    { class: "operation" },
    h("summary", {}, h("code", { class: "method" }, method), " ", h("code", {}, path), h("span", { class: "hint" }, ` ${first}`)),
    rest.map((words) => h("p", {}, words.startsWith("`") ? h("code", {}, words.replaceAll("`", "")) : words)),
    bodies.length > 0 && h("p", {}, "Body: ", h("code", {}, bodies.join(", "))),
    fields.length > 0 && h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Parameters of ${method} ${path}` }, h("table", {}, h("tbody", {}, fields))),
  );
}

function shown(schema) {
  return schema?.enum ? schema.enum.join(" or ") : (schema?.type ?? "");
}
