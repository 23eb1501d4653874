// Photos out of what was dropped or chosen: files, folders whose sub-folders are classes, zips of such folders, and projects
// of Teachable Machine, which are zips as well.

import { unzip } from "./zip.js";

const PHOTO = /\.(jpe?g|png|webp|gif|tiff?|bmp)$/i;
const ZIP = /\.(zip|tm)$/i;
const PROJECT = /\.tm$/i;
const SAMPLE = /^(.+)-!-\d+\.\w+$/; // what Teachable Machine calls a photo of a class

// Returns [{file, name, label}] with an empty label for photos that lie in no folder, and how many files were none.
export async function fromDrop(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const loose = entries.length ? [] : [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = [...loose];
  for (const entry of entries) await walk(entry, entry.name, found);
  return sorted(found);
}

export async function fromInput(files) {
  return sorted([...files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
}

async function walk(entry, path, found) {
  if (entry.isFile) {
    found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at a time
    if (!some.length) return;
    for (const child of some) await walk(child, `${path}/${child.name}`, found);
  }
}

async function sorted(found) {
  const photos = [];
  let others = 0;
  for (const { file, path } of found) {
    if (hidden(path)) continue;
    if (ZIP.test(path)) {
      const project = PROJECT.test(path);
      for (const entry of await unzip(file)) {
        const sample = project && SAMPLE.exec(entry.path);
        if (sample && PHOTO.test(entry.path)) photos.push({ file: entry.file, name: entry.path, label: sample[1].trim() });
        else if (PHOTO.test(entry.path) && !hidden(entry.path)) photos.push(photo(entry.file, entry.path));
        else if (!hidden(entry.path) && !(project && entry.path === "manifest.json")) others += 1;
      }
    } else if (PHOTO.test(path)) photos.push(photo(file, path));
    else others += 1;
  }
  photos.sort((one, other) => one.name.localeCompare(other.name, "en", { numeric: true }));
  return { photos, others };
}

function photo(file, path) {
  const parts = path.split("/").filter(Boolean);
  return { file, name: parts.slice(-2).join("/"), label: parts.length > 1 ? parts.at(-2).trim() : "" };
}

function hidden(path) {
  return path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");
}
