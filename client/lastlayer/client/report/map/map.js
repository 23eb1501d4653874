"use strict";
(() => {
  const SUSPICIOUS = 1, CONFLICT = 2, POOL = 4;
  const data = JSON.parse(document.getElementById("data").textContent);
  const points = data.points.map(([x, y, label, kind, id, sha256, said]) => ({ x, y, label, kind, id, sha256, said }));
  const canvas = document.getElementById("map");
  const context = canvas.getContext("2d");
  const card = {
    photo: document.getElementById("photo"),
    said: document.getElementById("said"),
    id: document.getElementById("id"),
    sha256: document.getElementById("sha256"),
  };
  const boxes = [...document.querySelectorAll("input[data-class]")];
  const only = document.getElementById("only");
  const hidden = new Set();
  const view = { scale: 1, x: 0, y: 0 };
  let size = 0, current = -1, scheduled = false, colours = {};

  const isVisible = (point) =>
    !hidden.has(point.label) && (!only || !only.checked || (point.kind & (SUSPICIOUS | CONFLICT)) !== 0);
  // The margin keeps points at the edge whole.
  const across = (point) => (0.04 + 0.92 * (point.x + 1) / 2) * size * view.scale + view.x;
  const down = (point) => (0.04 + 0.92 * (1 - point.y) / 2) * size * view.scale + view.y;

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    colours = { ink: read("--ink"), muted: read("--muted"), paper: read("--card"), mark: read("--mark"), classes: [] };
    for (let number = 0; number <= 10; number++) colours.classes.push(read(`--c${number}`));
  }

  function trace(point, radius) {
    const x = across(point), y = down(point);
    context.beginPath();
    if (point.kind & CONFLICT) {
      const reach = 1.35 * radius;
      context.moveTo(x, y - reach);
      context.lineTo(x + reach, y);
      context.lineTo(x, y + reach);
      context.lineTo(x - reach, y);
      context.closePath();
    } else {
      context.arc(x, y, radius, 0, 2 * Math.PI);
    }
  }

  function drawPoint(point, radius) {
    trace(point, radius);
    if (point.kind & POOL) {
      context.lineWidth = 1.25;
      context.strokeStyle = colours.muted;
      context.stroke();
      return;
    }
    context.fillStyle = colours.classes[data.classes[point.label][1]];
    context.fill();
    if (point.kind & CONFLICT) {
      context.lineWidth = 1.5;
      context.strokeStyle = colours.ink;
      context.stroke();
    }
    if (point.kind & SUSPICIOUS) {
      trace(point, radius + 3.5);
      context.lineWidth = 2;
      context.strokeStyle = colours.mark;
      context.stroke();
    }
  }

  function draw() {
    scheduled = false;
    const ratio = window.devicePixelRatio || 1;
    size = canvas.clientWidth;
    if (canvas.width !== Math.round(size * ratio)) canvas.width = canvas.height = Math.round(size * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size, size);
    const most = points.length > 3000 ? 2.2 : points.length > 600 ? 3.2 : 4.6;
    const radius = most * Math.min(2, Math.max(0.8, size / 640)) * Math.min(2, Math.sqrt(view.scale));
    context.globalAlpha = points.length > 600 ? 0.8 : 0.9;
    const marked = [];
    for (const point of points) {
      if (!isVisible(point)) continue;
      if (point.kind & (SUSPICIOUS | CONFLICT)) marked.push(point);
      else drawPoint(point, radius);
    }
    context.globalAlpha = 1;
    for (const point of marked) drawPoint(point, radius + 0.5);
    if (current >= 0 && isVisible(points[current])) {
      drawPoint(points[current], radius + 1.5);
      trace(points[current], radius + 7);
      context.lineWidth = 2.5;
      context.strokeStyle = colours.ink;
      context.stroke();
    }
  }

  function schedule() {
    if (!scheduled) requestAnimationFrame(draw);
    scheduled = true;
  }

  function show(index) {
    if (index === current) return;
    current = index;
    const point = points[index];
    const photo = point && data.photos[index];
    if (photo) {
      const image = new Image();
      image.src = `data:image/jpeg;base64,${photo}`;
      image.alt = point.id;
      card.photo.replaceChildren(image);
    } else {
      card.photo.textContent = point ? "no photo on this page" : "";
    }
    card.said.textContent = point ? point.said : "";
    card.id.textContent = point ? point.id : "";
    card.sha256.textContent = point ? point.sha256 : "";
    document.getElementById("nothing").hidden = Boolean(point);
    schedule();
  }

  function find(x, y, reach) {
    let best = -1, least = reach * reach;
    points.forEach((point, index) => {
      if (!isVisible(point)) return;
      const distance = (across(point) - x) ** 2 + (down(point) - y) ** 2;
      if (distance < least) [best, least] = [index, distance];
    });
    return best;
  }

  // The nearest point in a direction; what is aside counts twice.
  function step(toX, toY) {
    if (current < 0 || !isVisible(points[current])) return show(find(size / 2, size / 2, Infinity));
    const x = across(points[current]), y = down(points[current]);
    let best = -1, least = Infinity;
    points.forEach((point, index) => {
      if (index === current || !isVisible(point)) return;
      const right = across(point) - x, below = down(point) - y;
      const ahead = right * toX + below * toY, aside = Math.abs(right * toY) + Math.abs(below * toX);
      if (ahead <= 0 || aside > 2 * ahead) return;
      const distance = ahead + 2 * aside;
      if (distance < least) [best, least] = [index, distance];
    });
    if (best >= 0) {
      show(best);
      reveal();
    }
  }

  function reveal() {
    const x = across(points[current]), y = down(points[current]);
    if (x < 0 || x > size) view.x += size / 2 - x;
    if (y < 0 || y > size) view.y += size / 2 - y;
    schedule();
  }

  function stepMarked(by) {
    const marked = points.flatMap((point, index) =>
      isVisible(point) && point.kind & (SUSPICIOUS | CONFLICT) ? [index] : []);
    if (!marked.length) return;
    const place = marked.indexOf(current);
    show(marked[place < 0 ? (by > 0 ? 0 : marked.length - 1) : (place + by + marked.length) % marked.length]);
    reveal();
  }

  function zoom(factor, x, y) {
    const scale = Math.min(40, Math.max(1, view.scale * factor));
    factor = scale / view.scale;
    view.scale = scale;
    view.x = x + (view.x - x) * factor;
    view.y = y + (view.y - y) * factor;
    bound();
  }

  function bound() {
    const most = size * (1 - view.scale);
    view.x = Math.min(0, Math.max(most, view.x));
    view.y = Math.min(0, Math.max(most, view.y));
    // Where the map is shown whole, a finger scrolls the page; else it moves the map.
    canvas.style.touchAction = view.scale > 1 ? "none" : "pan-y";
    schedule();
  }

  const middle = () => {
    const has = current >= 0 && isVisible(points[current]);
    return has ? [across(points[current]), down(points[current])] : [size / 2, size / 2];
  };
  const keys = {
    ArrowLeft: () => step(-1, 0), ArrowRight: () => step(1, 0), ArrowUp: () => step(0, -1), ArrowDown: () => step(0, 1),
    n: () => stepMarked(1), p: () => stepMarked(-1),
    "+": () => zoom(1.5, ...middle()), "=": () => zoom(1.5, ...middle()), "-": () => zoom(1 / 1.5, ...middle()),
    0: () => zoom(0, 0, 0), Escape: () => show(-1),
  };
  canvas.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  const pointers = new Map();
  const place = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, place(event));
    canvas.setPointerCapture(event.pointerId);
    const found = find(...place(event), event.pointerType === "mouse" ? 14 : 26);
    if (found >= 0) show(found);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId), now = place(event);
    if (!before) {
      const found = find(...now, 14);
      if (found >= 0) show(found);
      return;
    }
    if (pointers.size === 2) {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const apart = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]) || 1;
      zoom(apart(now) / apart(before), other[0], other[1]);
    } else if (view.scale > 1) {
      view.x += now[0] - before[0];
      view.y += now[1] - before[1];
      bound();
    }
    pointers.set(event.pointerId, now);
  });
  for (const kind of ["pointerup", "pointercancel"])
    canvas.addEventListener(kind, (event) => pointers.delete(event.pointerId));
  canvas.addEventListener("wheel", (event) => {
    // Where it is shown whole, the wheel scrolls the page on.
    if (event.deltaY > 0 && view.scale === 1) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), ...place(event));
  }, { passive: false });

  document.getElementById("closer").addEventListener("click", () => zoom(1.5, ...middle()));
  document.getElementById("farther").addEventListener("click", () => zoom(1 / 1.5, ...middle()));
  document.getElementById("whole").addEventListener("click", () => zoom(0, 0, 0));
  for (const box of boxes)
    box.addEventListener("change", () => {
      hidden[box.checked ? "delete" : "add"](Number(box.dataset.class));
      schedule();
    });
  const all = document.getElementById("all");
  if (all)
    all.addEventListener("click", () => {
      const some = boxes.some((box) => !box.checked);
      for (const box of boxes) {
        box.checked = some;
        hidden[some ? "delete" : "add"](Number(box.dataset.class));
      }
      schedule();
    });
  if (only) only.addEventListener("change", schedule);

  const restart = () => { readColours(); bound(); };
  window.addEventListener("resize", () => { draw(); bound(); });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restart);
  window.addEventListener("beforeprint", restart);
  readColours();
  draw();
})();
