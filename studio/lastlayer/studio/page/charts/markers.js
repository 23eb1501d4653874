// A marker for each class: a colour that everybody can tell (Okabe and Ito) and a shape, so that neither stands alone.

import { h, svg } from "../lib/dom.js";

const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "currentcolor"];
const EDGES = { "#f0e442": "#857d00" }; // of what is too light for white paper
const SHAPES = [
  "M5 0A5 5 0 1 0-5 0A5 5 0 1 0 5 0Z",
  "M-4.4-4.4H4.4V4.4H-4.4Z",
  "M0-5.6L5.4 4H-5.4Z",
  "M0-6L6 0L0 6L-6 0Z",
  "M-1.9-5.6H1.9V-1.9H5.6V1.9H1.9V5.6H-1.9V1.9H-5.6V-1.9H-1.9Z",
  "M0 5.6L5.4-4H-5.4Z",
  "M0-6.4L1.7-2.2L6.1-2L2.7.9L3.8 5.2L0 2.8L-3.8 5.2L-2.7.9L-6.1-2L-1.7-2.2Z",
  "M-2.4-5.2H2.4L5.4 0L2.4 5.2H-2.4L-5.4 0Z",
];
const SIDE = 16; // of the square around a shape
export const POOL = { colour: "#9aa3a6", path: "M3.4 0A3.4 3.4 0 1 0-3.4 0A3.4 3.4 0 1 0 3.4 0Z" };

// The first eight differ in both; each eight after them pair colours and shapes anew.
export function marker(index) {
  const turn = Math.floor(index / COLOURS.length);
  const colour = COLOURS[index % COLOURS.length];
  return { colour, path: SHAPES[(index + turn) % SHAPES.length], edge: EDGES[colour] };
}

// Marks around a marker: of a label that is probably wrong, and of a photo in two classes.
const RING = "M7 0A7 7 0 1 0-7 0A7 7 0 1 0 7 0Z";
const CROSS = "M-6-6L6 6M6-6L-6 6";
export const MARKS = { suspicious: RING, conflict: CROSS };

// Draws a marker once, to be copied ten thousand times.
export function sprite({ colour, path, edge: own }, mark, radius, ink, edge) {
  const side = Math.ceil((SIDE * radius) / 5) + 4;
  const canvas = new OffscreenCanvas(side, side);
  const pen = canvas.getContext("2d");
  pen.translate(side / 2, side / 2);
  pen.scale(radius / 5, radius / 5);
  const shape = new Path2D(path);
  pen.lineWidth = 1.2;
  pen.strokeStyle = own ?? edge;
  pen.stroke(shape);
  pen.fillStyle = colour === "currentcolor" ? ink : colour;
  pen.fill(shape);
  if (mark) {
    const line = new Path2D(MARKS[mark]);
    pen.lineWidth = 3.6;
    pen.strokeStyle = edge;
    pen.stroke(line);
    pen.lineWidth = 1.7;
    pen.strokeStyle = ink;
    pen.stroke(line);
  }
  return canvas;
}

// The same in a legend.
export function swatch({ colour, path, edge }, mark) {
  return h(
    "span",
    { class: "swatch", "aria-hidden": "true" },
    svg(
      "svg",
      { viewBox: "-8 -8 16 16" },
      path && svg("path", { d: path, fill: colour, stroke: edge, class: "edge" }),
      mark && svg("path", { d: MARKS[mark], class: "mark" }),
    ),
  );
}
