// Small pictures, frames of the camera, and activation maps over both.

export function fromBase64(thumbnail) {
  return `data:image/jpeg;base64,${thumbnail}`;
}

export async function toBlob(thumbnail) {
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

// The map as the client draws it: what speaks for the class is warm, the stronger the warmer; the rest is left alone.
export function drawMap(canvas, { contributions, region }, width, height) {
  const rows = contributions.length;
  const columns = contributions[0].length;
  const most = Math.max(1e-9, ...contributions.flat());
  const cells = new OffscreenCanvas(columns, rows);
  const pen = cells.getContext("2d");
  const pixels = pen.createImageData(columns, rows);
  contributions.flat().forEach((value, index) => {
    const strength = Math.max(0, value / most);
    pixels.data.set([255, 190 - 130 * strength, 40, 215 * strength ** 1.3], index * 4);
  });
  pen.putImageData(pixels, 0, 0);
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  const left = region.left * width;
  const top = region.top * height;
  context.drawImage(cells, left, top, region.right * width - left, region.bottom * height - top);
}

// What is sent for a prediction: no larger than the network could see, so that a phone's photo is not sent whole.
export async function shrunk(source, maxSide, type = "image/jpeg") {
  const width = source.videoWidth || source.width;
  const height = source.videoHeight || source.height;
  const scale = Math.min(1, maxSide / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type, quality: 0.9 });
}
