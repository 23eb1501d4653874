// Makes the pixels that a whole model takes of a photo's, as Lastlayer's service makes them.
// In: RGBA from 0 to 255, as `getImageData` of a canvas has them. Out: RGB, width * height * 3 bytes. `whole` is whether
// the model's views are of the whole photo, squashed, and not of its centre.
export function crop({ data, width: across, height: down }, width, height, whole = false) {
  const scale = Math.max(width / across, height / down);
  const columns = weights(across, whole ? width : Math.max(width, round(across * scale)), width);
  const rows = weights(down, whole ? height : Math.max(height, round(down * scale)), height);
  const level = (x, y, c) => 255 + ((data[4 * (y * across + x) + c] - 255) * data[4 * (y * across + x) + 3]) / 255;
  const sum = ({ first, shares }, at) => round(shares.reduce((total, share, i) => total + share * at(first + i), 0));
  const narrow = Uint8Array.from({ length: down * width * 3 }, (_, i) =>
    sum(columns[Math.floor(i / 3) % width], (x) => level(x, Math.floor(i / 3 / width), i % 3)));
  return Uint8Array.from({ length: height * width * 3 }, (_, i) =>
    sum(rows[Math.floor(i / 3 / width)], (y) => narrow[y * width * 3 + (i % (width * 3))]));
}

// What each of the `kept` pixels in the middle of `scaled` ones is made of, `given` pixels being there: a triangle.
function weights(given, scaled, kept) {
  const step = given / scaled, reach = Math.max(step, 1);
  return Array.from({ length: kept }, (_, i) => {
    const centre = (Math.floor((scaled - kept) / 2) + i + 0.5) * step;
    const first = Math.max(0, Math.floor(centre - reach + 0.5)), end = Math.min(given, Math.floor(centre + reach + 0.5));
    const shares = Array.from({ length: end - first }, (_, k) => Math.max(0, 1 - Math.abs(first + k + 0.5 - centre) / reach));
    const total = shares.reduce((a, b) => a + b);
    return { first, shares: shares.map((share) => share / total) };
  });
}

const round = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)); // halves to even numbers, as Python does
