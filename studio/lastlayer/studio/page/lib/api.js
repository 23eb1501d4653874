// The HTTP door: JSON and forms out, JSON and events in. The token lives in this tab's session alone.

const TOKEN = "lastlayer.token";

export class Problem extends Error {
  constructor(known) {
    super(known.detail);
    this.status = known.status;
    this.code = known.code;
    this.reason = known.reason;
    this.retryAfterS = known.retry_after_s;
  }
}

export function token() {
  return sessionStorage.getItem(TOKEN) ?? "";
}

export function setToken(value) {
  if (value) sessionStorage.setItem(TOKEN, value);
  else sessionStorage.removeItem(TOKEN);
}

function headers(more = {}) {
  return token() ? { Authorization: `Bearer ${token()}`, ...more } : more;
}

async function send(method, path, { body, kind, signal, keepalive } = {}) {
  let answer;
  try {
    answer = await fetch(`/v1/${path}`, {
      method,
      body,
      signal,
      keepalive,
      headers: headers(kind ? { "Content-Type": kind } : {}),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "The studio does not answer. Is it still running?", code: "UNAVAILABLE", status: 0 });
  }
  if (answer.ok) return answer;
  const known = await answer.json().catch(() => ({ detail: `The studio answered ${answer.status}.` }));
  if (known.code === "UNAUTHENTICATED") window.dispatchEvent(new CustomEvent("token-needed"));
  throw new Problem({ status: answer.status, ...known });
}

async function json(method, path, body, options = {}) {
  const content = body === undefined ? {} : { body: JSON.stringify(body), kind: "application/json" };
  const answer = await send(method, path, { ...content, ...options });
  return answer.status === 204 ? null : answer.json();
}

const part = encodeURIComponent;
const query = (known) => new URLSearchParams(known).toString();

export const access = () => json("GET", "access");
export const status = () => json("GET", "status");
export const contract = () => json("GET", "openapi.json");
export const datasets = () => json("GET", "datasets");
// null where there is none: asked for by name, the browser would tell of an error.
export const dataset = async (name) => (await datasets()).find((entry) => entry.name === name) ?? null;
export const deleteDataset = (name) => json("DELETE", `datasets/${part(name)}`);
export const examples = (name, known) => json("GET", `datasets/${part(name)}/examples?${query(known)}`);
// To a label, or in a multi-label dataset to a list of them.
export const relabel = (name, shas, given) =>
  json("POST", `datasets/${part(name)}/examples:relabel`, { examples: shas, [Array.isArray(given) ? "labels" : "label"]: given });
export const remove = (name, shas, options) =>
  json("POST", `datasets/${part(name)}/examples:remove`, { examples: shas }, options);
export const renameClass = (name, label, newLabel) =>
  json("POST", `datasets/${part(name)}/classes:rename`, { label, new_label: newLabel });
export const models = () => json("GET", "models");
export const model = async (name) => (await models()).find((entry) => entry.name === name) ?? null;
export const deleteModel = (name) => json("DELETE", `models/${part(name)}`);
export const versions = (name) => json("GET", `models/${part(name)}/versions`);
const version = (name, number) => json("GET", `models/${part(name)}/versions/${number}`);
export const defaultVersion = async (name) => ((await model(name)) ? version(name, 0) : null);
export const deleteVersion = (name, number) => json("DELETE", `models/${part(name)}/versions/${number}`);
export const setDefault = (name, number) => json("POST", `models/${part(name)}:setDefault`, { version: number });
export const advice = (name, number) => json("GET", `models/${part(name)}/versions/${number}/advice`);
export const review = (name, number, known) =>
  json("GET", `models/${part(name)}/versions/${number}/review?${query(known)}`);

// Photos without a label wait in a dataset's pool. A label that somebody else gave meanwhile stays, and is told of.
export const next = (name, count) => json("GET", `datasets/${part(name)}/pool:next?${query({ count })}`);
export const label = (name, shas, label) =>
  json("POST", `datasets/${part(name)}/pool:label`, { examples: shas, label }, { keepalive: true });
export const unlabel = (name, shas, label) =>
  json("POST", `datasets/${part(name)}/pool:unlabel`, { examples: shas, label }, { keepalive: true });
export const chosen = (name, shas) => json("POST", `datasets/${part(name)}/examples:batchGet`, { examples: shas });
export const similarTo = (name, sha, known) =>
  json("GET", `datasets/${part(name)}/examples/${sha}:similar?${query(known)}`);

// Adds a photo with a label, or to the pool where the label is null.
export async function add(name, label, photo, fileName, signal) {
  const form = new FormData();
  if (label !== null) form.append("label", label);
  form.append("image", photo, fileName);
  const place = label === null ? "pool" : "examples";
  const answer = await send("POST", `datasets/${part(name)}/${place}`, { body: form, signal });
  return (await answer.json())[0];
}

async function about(path, photo, known, signal) {
  const kind = photo.type || "application/octet-stream";
  const answer = await send("POST", `${path}?${query(known)}`, { body: photo, kind, signal });
  return answer.json();
}

export const similar = (name, photo, known) => about(`datasets/${part(name)}:similar`, photo, known);

export async function predict(name, photo, known = {}, signal) {
  return (await about(`models/${part(name)}:predict`, photo, known, signal)).results[0];
}

export const explain = (name, photo, known = {}, signal) => about(`models/${part(name)}:explain`, photo, known, signal);

export async function file(path) {
  const answer = await send("GET", path);
  const name = /filename="([^"]*)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "file";
  return { name, content: await answer.blob() };
}

// Trains; calls `tell` with each progress and returns the version. Aborting the signal cancels the training.
export async function train(name, options, tell, signal) {
  const body = JSON.stringify(options);
  const answer = await send("POST", `models/${part(name)}:train`, { body, kind: "application/json", signal });
  for await (const [event, data] of events(answer.body)) {
    if (event === "version") return data;
    if (event === "problem") throw new Problem(data);
    tell(data);
  }
  throw new Problem({ detail: "The training ended without a version; see the log of the studio.", code: "UNKNOWN" });
}

// Lays a dataset out; calls `tell` with each progress and returns the points. Aborting the signal stops it.
export async function map(name, options, tell, signal) {
  const body = JSON.stringify(options);
  const answer = await send("POST", `datasets/${part(name)}:map`, { body, kind: "application/json", signal });
  const points = [];
  for await (const [event, data] of events(answer.body)) {
    if (event === "map") return { ...data, points };
    if (event === "problem") throw new Problem(data);
    if (event === "points") points.push(...data.points);
    else tell(data);
  }
  throw new Problem({ detail: "The map broke off; see the log of the studio.", code: "UNKNOWN" });
}

async function* events(body) {
  let text = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const lines = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2)));
      yield [lines.event, JSON.parse(lines.data)];
    }
  }
}
