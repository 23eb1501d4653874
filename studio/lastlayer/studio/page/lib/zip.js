// Reads zip files piece by piece: the list at the end, then each photo when it is its turn. Nothing is trusted to be as
// small as it says: an entry that unpacks to more than a photo may have is refused.

const MAX_ENTRIES = 20000;
const MAX_BYTES = 32 * 1024 * 1024;
const END_BYTES = 22;
const END = 0x06054b50;
const CENTRAL = 0x02014b50;

export async function unzip(file) {
  const tail = await slice(file, Math.max(0, file.size - END_BYTES - 65535), file.size);
  let at = tail.byteLength - END_BYTES;
  while (at >= 0 && tail.getUint32(at, true) !== END) at -= 1;
  if (at < 0) throw new Error(`${file.name} is no zip file.`);
  const count = tail.getUint16(at + 10, true);
  const start = tail.getUint32(at + 16, true);
  if (count > MAX_ENTRIES || count === 0xffff || start === 0xffffffff) {
    throw new Error(`${file.name} is too large; unpack it and drop the folder.`);
  }
  const list = await slice(file, start, start + tail.getUint32(at + 12, true));
  const entries = [];
  for (let index = 0, place = 0; index < count && place + 46 <= list.byteLength; index += 1) {
    if (list.getUint32(place, true) !== CENTRAL) throw new Error(`${file.name} is damaged.`);
    const lengths = [28, 30, 32].map((offset) => list.getUint16(place + offset, true));
    const path = new TextDecoder().decode(new Uint8Array(list.buffer, list.byteOffset + place + 46, lengths[0]));
    const known = {
      path: path.replaceAll("\\", "/"),
      method: list.getUint16(place + 10, true),
      packed: list.getUint32(place + 20, true),
      size: list.getUint32(place + 24, true),
      at: list.getUint32(place + 42, true),
    };
    place += 46 + lengths[0] + lengths[1] + lengths[2];
    if (!known.path.endsWith("/")) entries.push({ path: known.path, file: lazy(file, known) });
  }
  return entries;
}

// Looks like a file to those that read it once.
function lazy(file, known) {
  return { name: known.path, size: known.size, read: () => content(file, known) };
}

async function content(file, { path, method, packed, at }) {
  if (packed > MAX_BYTES) throw new Error(`${path} is too large.`);
  const head = await slice(file, at, at + 30);
  const start = at + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  const data = file.slice(start, start + packed);
  if (method === 0) return data;
  if (method !== 8) throw new Error(`${path} is packed in a way that is not known here.`);
  const pieces = [];
  let size = 0;
  const reader = data.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return new Blob(pieces);
    size += value.byteLength;
    if (size > MAX_BYTES) {
      await reader.cancel();
      throw new Error(`${path} unpacks to more than ${MAX_BYTES / 2 ** 20} MiB.`);
    }
    pieces.push(value);
  }
}

async function slice(file, from, to) {
  return new DataView(await file.slice(from, to).arrayBuffer());
}
