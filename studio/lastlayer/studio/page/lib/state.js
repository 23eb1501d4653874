// Where the reader is (#/PROJECT/VIEW), and what may be seen. A project is a dataset and the model of the same name.

export const VIEWS = ["collect", "label", "map", "train", "mend", "try", "take"];
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const LAST = "lastlayer.project";

export function read(hash = location.hash) {
  const [project = "", view = ""] = hash.replace(/^#\/?/, "").split("/").map(decode);
  return { project: NAME.test(project) ? project : "", view };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export function link(project, view) {
  return `#/${encodeURIComponent(project)}/${view}`;
}

export function go(project, view) {
  location.hash = link(project, view);
}

export function remember(project) {
  sessionStorage.setItem(LAST, project);
}

export function remembered() {
  return sessionStorage.getItem(LAST) ?? "";
}
