// The points on a canvas: zoomed and panned by wheel, fingers and keys; the nearest one under the pointer is told of.

import { sprite } from "../../charts/markers.js";
import { h } from "../../lib/dom.js";

const REACH = 14; // pixels from the pointer within which a point is meant
const CELLS = 64; // of the grid in which points are found, each way
const MOST_ZOOM = 200;
const FILL = 0.94; // of the canvas, for the points from -1 to 1
const STEP = 60; // pixels that an arrow key moves
const MANY = 3000; // points, of which the picture is moved while the view moves, and drawn anew when it rests
const REST_MS = 90;
const CLICK = 6; // pixels that a press may move and still be one

export class Plot {
  // `lookOf(point)` gives its marker and mark, in one object for all that look the same; `isShown(point)` says what the
  // legend lets through.
  constructor({ lookOf, isShown, hover, choose }) {
    Object.assign(this, { lookOf, isShown, hover, choose });
    this.canvas = h("canvas", { class: "plot", tabindex: 0, role: "application", "aria-roledescription": "map", "aria-label": "Map of the photos", "aria-describedby": "map-keys" });
    this.pen = this.canvas.getContext("2d");
    this.layer = new OffscreenCanvas(1, 1); // the points alone
    this.painted = null; // the view that the layer shows
    this.view = { x: 0, y: 0, zoom: 1 };
    this.points = [];
    this.sprites = new Map(); // by look, of one size and colours
    this.pressed = new Map(); // where each finger is
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.recolour = () => { this.sprites.clear(); this.redraw(); };
    this.dark.addEventListener("change", this.recolour);
    this.size = new ResizeObserver(() => this.resize());
    this.size.observe(this.canvas);
    const listen = (name, listener) => this.canvas.addEventListener(name, listener);
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    listen("pointerdown", (event) => this.press(event));
    listen("pointermove", (event) => this.move(event));
    listen("pointerup", (event) => this.release(event));
    listen("pointercancel", (event) => this.pressed.delete(event.pointerId));
    listen("pointerleave", () => this.point(null));
    listen("keydown", (event) => this.key(event));
    listen("focus", () => this.aim());
    listen("blur", () => { this.aimed = false; this.point(null); this.draw(); });
  }

  leave() {
    this.size.disconnect();
    this.dark.removeEventListener("change", this.recolour);
    cancelAnimationFrame(this.frame);
    clearTimeout(this.resting);
  }

  lay(points) {
    this.points = points;
    this.cells = new Map();
    points.forEach((point, index) => {
      const key = cellOf(point.x) * CELLS + cellOf(point.y);
      if (!this.cells.has(key)) this.cells.set(key, []);
      this.cells.get(key).push(index);
    });
    this.order();
  }

  // What is marked lies on top, and what has no label below. Called anew when points or the legend change.
  order() {
    const height = (point) => (point.suspicious || point.labels.length > 1 ? 2 : point.labels.length);
    this.shown = this.points.filter((point) => !point.removed && this.isShown(point)).sort((one, other) => height(one) - height(other));
    this.redraw();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    this.ratio = devicePixelRatio || 1;
    this.width = clientWidth;
    this.height = clientHeight;
    this.canvas.width = Math.round(clientWidth * this.ratio);
    this.canvas.height = Math.round(clientHeight * this.ratio);
    Object.assign(this.layer, { width: this.canvas.width, height: this.canvas.height });
    this.painted = null;
    this.paint(); // at once, as a new size empties the canvas
  }

  redraw() {
    this.painted = null;
    this.draw();
  }

  draw() {
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  get scale() {
    return (Math.min(this.width, this.height) / 2) * FILL * this.view.zoom;
  }

  // Larger where there are few, and where one looks closely.
  get radius() {
    const few = this.shown.length < 300 ? 7 : this.shown.length < 2000 ? 5 : 3.6;
    return Math.min(12, few * Math.sqrt(Math.sqrt(this.view.zoom)));
  }

  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    if (!this.width || !this.shown) return;
    const { x, y, zoom } = this.view;
    const same = this.painted && this.painted.x === x && this.painted.y === y && this.painted.zoom === zoom;
    if (!same) {
      clearTimeout(this.resting);
      if (this.painted && this.shown.length > MANY) this.resting = setTimeout(() => this.redraw(), REST_MS);
      else this.paintPoints();
    }
    this.compose();
  }

  paintPoints() {
    const pen = this.layer.getContext("2d");
    const { scale, width, height, view } = this;
    const radius = Math.round(this.radius * this.ratio * 2) / 2;
    if (radius !== this.drawn) this.sprites.clear();
    this.drawn = radius;
    const style = getComputedStyle(this.canvas);
    const ink = style.getPropertyValue("--ink");
    const edge = style.getPropertyValue("--card");
    pen.clearRect(0, 0, this.layer.width, this.layer.height);
    for (const point of this.shown) {
      const x = (width / 2 + (point.x - view.x) * scale) * this.ratio;
      const y = (height / 2 - (point.y - view.y) * scale) * this.ratio;
      if (x < -20 || y < -20 || x > this.canvas.width + 20 || y > this.canvas.height + 20) continue;
      const look = this.lookOf(point);
      let copy = this.sprites.get(look);
      if (!copy) this.sprites.set(look, (copy = sprite(look.marker, look.mark, radius, ink, edge)));
      pen.drawImage(copy, Math.round(x - copy.width / 2), Math.round(y - copy.height / 2));
    }
    this.painted = { ...view };
  }

  // The points, where the view has them by now, and what is shown of one of them.
  compose() {
    const { pen, layer, painted, scale, width, height, view } = this;
    const grown = view.zoom / painted.zoom;
    const left = (width / 2) * (1 - grown) + (painted.x - view.x) * scale;
    const top = (height / 2) * (1 - grown) - (painted.y - view.y) * scale;
    pen.clearRect(0, 0, layer.width, layer.height);
    pen.drawImage(layer, left * this.ratio, top * this.ratio, layer.width * grown, layer.height * grown);
    const radius = this.drawn;
    const ink = getComputedStyle(this.canvas).getPropertyValue("--ink");
    for (const [point, more] of [[this.hovered, 5], [this.opened, 8]]) if (point) this.circle(point, radius + more * this.ratio, ink);
    if (this.aimed) this.crosshair(ink);
  }

  circle(point, radius, ink) {
    const [x, y] = this.placeOf(point);
    this.pen.lineWidth = 2 * this.ratio;
    this.pen.strokeStyle = ink;
    this.pen.beginPath();
    this.pen.arc(x * this.ratio, y * this.ratio, radius, 0, 2 * Math.PI);
    this.pen.stroke();
  }

  crosshair(ink) {
    const [x, y, arm] = [(this.width / 2) * this.ratio, (this.height / 2) * this.ratio, 11 * this.ratio];
    this.pen.lineWidth = this.ratio;
    this.pen.strokeStyle = ink;
    this.pen.beginPath();
    for (const [right, down] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      this.pen.moveTo(x + right * arm * 0.4, y + down * arm * 0.4);
      this.pen.lineTo(x + right * arm, y + down * arm);
    }
    this.pen.stroke();
  }

  // Where a point is on the canvas, in pixels of the page.
  placeOf({ x, y }) {
    return [this.width / 2 + (x - this.view.x) * this.scale, this.height / 2 - (y - this.view.y) * this.scale];
  }

  nearest(left, top, reach) {
    const { view, scale } = this;
    const x = view.x + (left - this.width / 2) / scale;
    const y = view.y - (top - this.height / 2) / scale;
    const far = reach / scale;
    let best = null;
    let least = far * far;
    for (let column = cellOf(x - far); column <= cellOf(x + far); column += 1) {
      for (let row = cellOf(y - far); row <= cellOf(y + far); row += 1) {
        for (const index of this.cells?.get(column * CELLS + row) ?? []) {
          const point = this.points[index];
          const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
          if (distance < least && !point.removed && this.isShown(point)) [best, least] = [point, distance];
        }
      }
    }
    return best;
  }

  point(found) {
    if (found === this.hovered) return;
    this.hovered = found;
    this.hover(found, found && this.placeOf(found));
    this.draw();
  }

  // By keys, the point nearest to the middle is meant.
  aim() {
    this.aimed = this.canvas.matches(":focus-visible");
    if (this.aimed) this.point(this.nearest(this.width / 2, this.height / 2, Math.max(this.width, this.height)));
    this.draw();
  }

  // Zooms so that what is at a place stays there.
  zoom(factor, left = this.width / 2, top = this.height / 2) {
    const before = this.scale;
    this.view.zoom = Math.min(MOST_ZOOM, Math.max(0.5, this.view.zoom * factor));
    const change = 1 / before - 1 / this.scale;
    this.view.x += (left - this.width / 2) * change;
    this.view.y -= (top - this.height / 2) * change;
    this.moved();
  }

  pan(right, down) {
    this.view.x = within(this.view.x - right / this.scale);
    this.view.y = within(this.view.y + down / this.scale);
    this.moved();
  }

  whole() {
    this.view = { x: 0, y: 0, zoom: 1 };
    this.moved();
  }

  // Looks at a point from near.
  show(point) {
    const [left, top] = this.placeOf(point);
    if (left < 0 || top < 0 || left > this.width || top > this.height) Object.assign(this.view, { x: point.x, y: point.y });
    this.draw();
  }

  moved() {
    if (this.aimed) this.aim();
    else this.point(null);
    this.draw();
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : 1;
    this.zoom(Math.exp(-event.deltaY * lines * 0.002), event.offsetX, event.offsetY);
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.aimed = false;
    this.pressed.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.far = this.pressed.size > 1 ? Infinity : 0; // how far it has moved since
  }

  move(event) {
    const before = this.pressed.get(event.pointerId);
    const now = [event.offsetX, event.offsetY];
    if (!before) {
      if (event.pointerType !== "touch") this.point(this.nearest(...now, REACH));
      return;
    }
    this.far = Math.max(this.far, Math.hypot(now[0] - before[0], now[1] - before[1]));
    if (this.far < CLICK) return;
    this.pressed.set(event.pointerId, now);
    if (this.pressed.size === 1) this.pan(now[0] - before[0], now[1] - before[1]);
    else this.pinch(event.pointerId, before, now);
  }

  pinch(id, before, now) {
    const [, other] = [...this.pressed].find(([known]) => known !== id);
    const spread = (one) => Math.max(20, Math.hypot(one[0] - other[0], one[1] - other[1]));
    this.zoom(spread(now) / spread(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    this.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
  }

  release(event) {
    if (!this.pressed.delete(event.pointerId) || this.far >= CLICK) return;
    const found = this.nearest(event.offsetX, event.offsetY, REACH * (event.pointerType === "touch" ? 1.6 : 1));
    if (found) this.choose(found, false);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const work = {
      ArrowLeft: () => this.pan(STEP, 0),
      ArrowRight: () => this.pan(-STEP, 0),
      ArrowUp: () => this.pan(0, STEP),
      ArrowDown: () => this.pan(0, -STEP),
      "+": () => this.zoom(1.5),
      "=": () => this.zoom(1.5),
      "-": () => this.zoom(1 / 1.5),
      0: () => this.whole(),
      Enter: () => this.hovered && this.choose(this.hovered, true),
    }[event.key];
    if (!work) return;
    event.preventDefault();
    this.aimed = true;
    work();
  }
}

const cellOf = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor(((value + 1) / 2) * CELLS)));
const within = (value) => Math.min(1.1, Math.max(-1.1, value));
