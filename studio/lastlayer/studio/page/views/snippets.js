// Lines of code with the model's name in them, to be pasted as they stand.

import { token } from "../lib/api.js";
import { button, h, replace } from "../lib/dom.js";
import { toast } from "../lib/toast.js";

// With a token each line has it out of the environment, so that it is in no history and no file. gRPC sends it by TLS.
const texts = (model, server, withToken) => ({
  curl: `curl ${withToken ? '-H "Authorization: Bearer $LASTLAYER_TOKEN" ' : ""}-F image=@img.jpg ${location.origin}/v1/models/${model}:predict`,
  grpcurl: `base64 < img.jpg | tr -d '\\n' | sed 's|.*|{"model": "${model}", "images": [{"content": "&"}]}|' \\
  | grpcurl ${withToken ? '-cacert ca.pem -H "authorization: Bearer $LASTLAYER_TOKEN"' : "-plaintext"} -d @ ${server} lastlayer.v1.Classifier/Predict`,
  Python: `${withToken ? "import os\nfrom pathlib import Path\n\n" : ""}from lastlayer.client import Client${withToken ? ', Security\n\nsecurity = Security(ca=Path("ca.pem"), token=os.environ["LASTLAYER_TOKEN"])' : "\n"}
with Client("${server}"${withToken ? ", security=security" : ""}) as client:
    [prediction] = client.predict(["img.jpg"], model="${model}")
    print(prediction.label, prediction.score)`,
  Node: `import { readFile } from "node:fs/promises";

const body = await readFile("img.jpg");
const url = "${location.origin}/v1/models/${model}:predict";
const headers = { "Content-Type": "image/jpeg"${withToken ? ", Authorization: \`Bearer \${process.env.LASTLAYER_TOKEN}\`" : ""} };
const answer = await fetch(url, { method: "POST", body, headers });
const { results: [prediction] } = await answer.json();
console.log(prediction.label, prediction.score);`,
});

// Where the classifier is, seen from here: what the studio calls it may be known to its own network alone.
function reachable(server) {
  const local = /^(localhost|127\..*|\[::1\]):\d+$/.test(server);
  return local ? server : `${location.hostname}:${server.split(":").at(-1)}`;
}

export function snippets(model, server) {
  const known = texts(model, reachable(server), Boolean(token()));
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
  replace(element, h("div", { class: "row spread" }, h("div", { class: "segments", role: "group", "aria-label": "Language" }, tabs), copy), place, token() && h("p", { class: "hint" }, h("code", {}, "LASTLAYER_TOKEN"), " is to hold your token, and ", h("code", {}, "ca.pem"), " the certificate authority of the classifier."));
  choose("curl");
  return element;
}
