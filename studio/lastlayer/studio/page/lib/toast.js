// Short messages at the edge of the page, and what can still be undone.

import { button, h } from "./dom.js";

const SHOWN_MS = 6000;
export const UNDO_MS = 8000;

export function toast(text, { kind = "", action, actionLabel, ms = SHOWN_MS } = {}) {
  const close = () => element.remove();
  const element = h(
    "div",
    { class: `toast ${kind}` },
    h("span", {}, text),
    action && button(actionLabel, () => { close(); action(); }, { class: "link" }),
    button("", close, { class: "quiet", icon: "close", "aria-label": "Dismiss" }),
  );
  document.getElementById("toasts").append(element);
  if (ms) setTimeout(close, ms);
  return close;
}

export function tellProblem(error) {
  if (error.name !== "AbortError") toast(error.message, { kind: "bad", ms: 12000 });
}

// What is deleted is hidden at once and deleted for good a little later, or when the page is left.
const pending = new Set();
const running = new Set();

export function deferred(text, { commit, undo }) {
  const entry = {
    timer: setTimeout(() => finish(entry), UNDO_MS),
    run: (options) => commit(options).catch((error) => { undo(); tellProblem(error); }),
  };
  pending.add(entry);
  entry.close = toast(text, {
    ms: 0,
    actionLabel: "Undo",
    action() {
      clearTimeout(entry.timer);
      pending.delete(entry);
      undo();
    },
  });
}

function finish(entry, options) {
  clearTimeout(entry.timer);
  pending.delete(entry);
  entry.close();
  const done = entry.run(options).finally(() => running.delete(done));
  running.add(done);
  return done;
}

// Before a training, or a look at what is stored: let all that was deleted be so.
export function settle() {
  for (const entry of [...pending]) finish(entry);
  return Promise.all(running);
}

addEventListener("pagehide", () => [...pending].forEach((entry) => finish(entry, { keepalive: true })));
