// How often predictions are right by how sure they are said to be: on the line where probabilities mean what they say.

import { count, h, percent, svg } from "../lib/dom.js";

const SIZE = 220;
const PAD = 34;

export function reliability(metrics) {
  const at = (share) => PAD + share * (SIZE - PAD - 10);
  const up = (share) => SIZE - at(share);
  const most = Math.max(1, ...metrics.reliability.map((bin) => bin.example_count));
  const ticks = [0, 0.5, 1];
  const words = metrics.reliability.map(
    (bin) => `${count(bin.example_count, "photo")} said to be ${percent(bin.mean_probability)}: ${percent(bin.accuracy)} right`,
  );
  return h(
    "figure",
    { class: "chart" },
    svg(
      "svg",
      { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": `Reliability. ${words.join("; ")}.` },
      ticks.map((tick) => [
        svg("line", { x1: at(0), x2: at(1), y1: up(tick), y2: up(tick), class: "grid" }),
        svg("text", { x: at(0) - 5, y: up(tick) + 4, "text-anchor": "end" }, String(100 * tick)),
        svg("text", { x: at(tick), y: up(0) + 15, "text-anchor": "middle" }, String(100 * tick)),
      ]),
      svg("line", { x1: at(0), y1: up(0), x2: at(1), y2: up(1), class: "ideal" }),
      metrics.reliability.map((bin) =>
        svg("circle", {
          cx: at(bin.mean_probability),
          cy: up(bin.accuracy),
          r: 3 + 7 * Math.sqrt(bin.example_count / most),
          class: "bin",
        }),
      ),
      svg("text", { x: at(0.5), y: SIZE - 3, "text-anchor": "middle" }, "how sure it says it is, %"),
      svg("text", { x: 9, y: up(0.5), "text-anchor": "middle", transform: `rotate(-90 9 ${up(0.5)})` }, "how often it is right, %"),
    ),
    h("figcaption", {}, "On the line, a probability means what it says. The larger the dot, the more photos."),
  );
}
