// Small pictures, frames of the camera, and activation maps over both.

const JPEG_URL = "data:image/jpeg;base64,";

export function fromBase64(thumbnail) {
  return `${JPEG_URL}${thumbnail}`;
}

export function toBlob(thumbnail) {
  const bytes = Uint8Array.from(atob(thumbnail), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: "image/jpeg" });
}

// Draws a photo into a square canvas, cut at its edges. A photo that the browser does not know (TIFF) leaves it empty.
// A few at once: a hundred photos of a phone, unpacked, are gigabytes.
const AT_ONCE = 3;
const waiting = [];
let drawing = 0;

export async function drawSquare(canvas, blob) {
  if (drawing >= AT_ONCE) await new Promise((resolve) => waiting.push(resolve));
  drawing += 1;
  try {
    const bitmap = await createImageBitmap(blob);
    const side = Math.min(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    const left = (bitmap.width - side) / 2;
    const top = (bitmap.height - side) / 2;
    context.drawImage(bitmap, left, top, side, side, 0, 0, canvas.width, canvas.height);
    bitmap.close();
  } catch {
    canvas.classList.add("blank");
  } finally {
    drawing -= 1;
    waiting.shift()?.();
  }
}

// The map as a light: what speaks for the class stays bright, the rest goes dark. A tint would be lost on photos that
// have its colour. What lies outside of the region was not looked at, and is dark, too.
const VEIL = [9, 14, 16];
const DARKEST = 196;

export function drawMap(canvas, { contributions, region }, width, height) {
  const cells = lit(contributions);
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.fillStyle = `rgb(${VEIL.join(" ")} / ${DARKEST / 255})`;
  context.fillRect(0, 0, width, height);
  const left = region.left * width;
  const top = region.top * height;
  const place = [left, top, region.right * width - left, region.bottom * height - top];
  context.clearRect(...place);
  context.imageSmoothingQuality = "high";
  context.drawImage(cells, ...place);
}

function lit(contributions) {
  const rows = contributions.length;
  const columns = contributions[0].length;
  const values = smooth(smooth(contributions)).flat();
  // One cell alone does not set the scale.
  const most = Math.max(1e-9, [...values].sort((one, other) => other - one)[Math.floor(values.length / 50)]);
  const cells = new OffscreenCanvas(columns, rows);
  const pen = cells.getContext("2d");
  const pixels = pen.createImageData(columns, rows);
  values.forEach((value, index) => {
    const strength = Math.min(1, Math.max(0, value / most));
    pixels.data.set([...VEIL, DARKEST * (1 - strength)], index * 4);
  });
  pen.putImageData(pixels, 0, 0);
  return cells;
}

// The mean of each cell and its neighbours: several taps of different sizes lie over each other in blocks.
function smooth(cells) {
  const at = (row, column) => cells[row]?.[column];
  return cells.map((line, row) =>
    line.map((_, column) => {
      const near = [-1, 0, 1].flatMap((down) => [-1, 0, 1].map((right) => at(row + down, column + right))).filter((value) => value !== undefined);
      return near.reduce((sum, value) => sum + value, 0) / near.length;
    }),
  );
}

// What is sent for a prediction: no larger than the network could see, so that a phone's photo is not sent whole. It is
// encoded at once: to blobs, browsers encode when they have nothing else to do, which beside a video may take 25 ms.
export async function shrunk(source, maxSide) {
  const width = source.videoWidth || source.width;
  const height = source.videoHeight || source.height;
  const scale = Math.min(1, maxSide / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return toBlob(canvas.toDataURL("image/jpeg", 0.9).slice(JPEG_URL.length));
}
