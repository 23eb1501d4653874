// Builds elements. What people and models wrote only ever becomes text: there is no way from here to HTML.

const SAFE_LINK = /^(#|\/|blob:)/;
const SAFE_IMAGE = /^(blob:|data:image\/jpeg;base64,|\/page\/)/;
const SVG = "http://www.w3.org/2000/svg";

// h("button", {class: "quiet", on: {click: go}}, "Go"): `on` has listeners, `vars` custom properties, `data` data-*.
// true is an attribute without a value; null, undefined and false are none.
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "vars") {
      for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else {
      check(name, value);
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...flat(children));
  return element;
}

function check(name, value) {
  const refused =
    /^on|^style$|^srcdoc$/i.test(name) ||
    (name === "href" && !SAFE_LINK.test(value)) ||
    (name === "src" && !SAFE_IMAGE.test(value));
  if (refused) throw new Error(`The attribute ${name} may not be ${value}.`);
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

export function replace(element, ...children) {
  element.replaceChildren(...flat(children));
}

// A picture of the page's own set: 24 x 24, drawn in the text's colour.
const PATHS = {
  camera: "M4 8h3l1.5-2h7L17 8h3v11H4zM12 10a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z",
  folder: "M3 6h6l2 2h10v11H3z",
  photo: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
  plus: "M12 5v14M5 12h14",
  trash: "M5 7h14M9 7V5h6v2M7 7l1 12h8l1-12",
  pen: "M4 20l1-4L16 5l3 3L8 19z",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12l5 5 9-10",
  down: "M12 4v11M7 11l5 5 5-5M5 20h14",
  key: "M14 10a4 4 0 1 0-3.5 4L13 16h2v2h2v2h3v-3l-6-6z",
  spark: "M12 3l2 6.5 6.5 2.5-6.5 2.5L12 21l-2-6.5L3.5 12 10 9.5z",
  alert: "M12 4l9 16H3zM12 10v4.5M12 17.4v.1",
  arrow: "M5 12h14M13 6l6 6-6 6",
  back: "M9 5L4 10l5 5M4 10h11a5 5 0 0 1 0 10h-4",
  alike: "M4 4h9v9H4zM16 9h4v11H9v-4",
};

export function icon(name) {
  return svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, svg("path", { d: PATHS[name] }));
}

export function button(label, listener, properties = {}) {
  const { icon: picture, ...rest } = properties;
  return h("button", { type: "button", on: { click: listener }, ...rest }, picture && icon(picture), label);
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

// The end of a long path says more than its beginning.
export function shortName(id) {
  return id.split("/").slice(-2).join("/");
}

export function percent(share, digits = 0) {
  return `${(100 * share).toFixed(digits)} %`;
}
