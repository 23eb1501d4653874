// Predicts photos with a file that `lastlayer export MODEL --to model.onnx` has written, with the package that browsers use.
//
// node with_onnxruntime.mjs model.onnx photo.jpg...   (npm ci)
import { readFileSync } from "node:fs";
import jpeg from "jpeg-js";
import * as ort from "onnxruntime-web";
import { crop } from "./crop.mjs";

const [model, ...photos] = process.argv.slice(2);
const session = await ort.InferenceSession.create(readFileSync(model));
const [, height, width] = session.inputMetadata[0].shape;
for (const photo of photos) {
  const decoded = jpeg.decode(readFileSync(photo)); // in a browser: `getImageData` of a canvas, which is upright as well
  const images = new ort.Tensor("uint8", crop(decoded, width, height), [1, height, width, 3]);
  const { label, probabilities } = await session.run({ images });
  console.log(`${photo}\t${label.data[0]}\t${Math.max(...probabilities.data).toFixed(4)}`);
}
