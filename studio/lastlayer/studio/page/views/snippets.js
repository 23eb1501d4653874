// Lines of code with the model's name in them, to be pasted as they stand.

import { button, h, replace } from "../lib/dom.js";
import { toast } from "../lib/toast.js";

const texts = (model) => ({
  curl: `curl -F image=@img.jpg ${location.origin}/v1/models/${model}:predict`,
  grpcurl: `base64 < img.jpg | tr -d '\\n' | sed 's|.*|{"model": "${model}", "images": [{"content": "&"}]}|' \\
  | grpcurl -plaintext -d @ localhost:50052 lastlayer.v1.Classifier/Predict`,
  Python: `from lastlayer.client import Client

with Client("localhost:50052") as client:
    [prediction] = client.predict(["img.jpg"], model="${model}")
    print(prediction.label, prediction.score)`,
  Node: `import { readFile } from "node:fs/promises";

const body = await readFile("img.jpg");
const url = "${location.origin}/v1/models/${model}:predict";
const answer = await fetch(url, { method: "POST", body, headers: { "Content-Type": "image/jpeg" } });
const { results: [prediction] } = await answer.json();
console.log(prediction.label, prediction.score);`,
});

export function snippets(model) {
  const known = texts(model);
  const code = h("code");
  const place = h("pre", { tabindex: 0 }, code);
  const tabs = Object.keys(known).map((name) => button(name, () => choose(name), { "aria-pressed": "false" }));
  let shown = "";
  function choose(name) {
    shown = known[name];
    code.textContent = shown;
    tabs.forEach((tab) => tab.setAttribute("aria-pressed", String(tab.textContent === name)));
  }
  const copy = button("Copy", async () => {
    await navigator.clipboard.writeText(shown);
    toast("Copied.", { kind: "good", ms: 2000 });
  }, { class: "quiet" });
  const element = h("div", { class: "snippets" });
  replace(element, h("div", { class: "row spread" }, h("div", { class: "segments", role: "group", "aria-label": "Language" }, tabs), copy), place);
  choose("curl");
  return element;
}
